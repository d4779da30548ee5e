"""Named parameters of the constructor, read and set in scikit-learn's manner."""

import inspect
from typing import Any, Self

import numpy as np

from calibration.errors import CalibrationError


class Parameters:
    """The constructor only stores its named parameters; these verbs read, set and copy them.

    With them scikit-learn's `clone`, pipelines and searches handle an object as one of their own.
    """

    def get_params(self, deep: bool = False) -> dict[str, Any]:
        """The constructor's parameters by name (`deep` is there for scikit-learn: none are nested)."""
        names = [name for name in inspect.signature(type(self).__init__).parameters if name != "self"]
        return {name: getattr(self, name) for name in names}

    def plain_params(self) -> dict[str, Any]:
        """`get_params` for JSON: a number of numpy's, as a search leaves it, is Python's own."""
        params = self.get_params()
        return {name: v.item() if isinstance(v, np.generic) else v for name, v in params.items()}

    def set_params(self, **params: Any) -> Self:
        """Store parameters by name and return self; what was learned stays until the next `fit`."""
        known = self.get_params()
        for name, value in params.items():
            if name not in known:
                raise CalibrationError(name, value, f"a parameter out of {sorted(known)}")
            setattr(self, name, value)
        return self

    def clone(self) -> Self:
        """One of the same parameters that has learned nothing."""
        return type(self)(**self.get_params())

    def _fitted(self) -> bool:
        """Whether something was learned: its names end in an underscore."""
        return any(name.endswith("_") and not name.startswith("_") for name in vars(self))

    def __sklearn_is_fitted__(self) -> bool:
        return self._fitted()

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn's pipelines ask of a step; only they do, so that it need not be installed."""
        from sklearn.utils import InputTags, Tags, TargetTags, TransformerTags

        return Tags(
            estimator_type=None,
            target_tags=TargetTags(required=True),
            transformer_tags=TransformerTags(),
            input_tags=InputTags(one_d_array=True, two_d_array=False),
        )

    def __repr__(self) -> str:
        params = ", ".join(f"{name}={value!r}" for name, value in self.get_params().items())
        return f"{type(self).__name__}({params})"
