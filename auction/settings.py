"""Base of every configuration model: frozen, unknown keys refused with a did-you-mean."""

import difflib
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from auction.errors import InputError

MAX_FILE_BYTES = 1_000_000


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice, of which YAML itself takes the last without a word."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {key.value!r} stands twice")
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else id(key))
        return node


class Settings(BaseModel):
    """A configuration section. Defaults live in the model, YAML only says what differs."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _did_you_mean(cls, data: Any) -> Any:
        if isinstance(data, dict):
            for key in data:
                if key not in cls.model_fields:
                    near = difflib.get_close_matches(str(key), cls.model_fields, n=1)
                    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(cls.model_fields)}"
                    raise ValueError(f"unknown key {key!r}; {hint}")
        return data

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read YAML from `path`.

        Raises:
            InputError: not readable, too large, not YAML, or a value refused; names file and key.
        """
        path = Path(path)
        try:
            if path.stat().st_size > MAX_FILE_BYTES:
                raise InputError(str(path), path.stat().st_size, f"at most {MAX_FILE_BYTES} bytes")
            text = path.read_bytes()
        except OSError as error:
            raise InputError(str(path), error.strerror, "give a readable YAML file") from None
        try:
            data = yaml.load(text.decode(), _Loader)  # noqa: S506 (a safe loader)
        except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date in month 13
            raise InputError(str(path), str(error).split("\n")[0], "give valid YAML") from None
        try:
            return cls.model_validate({} if data is None else data)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            message = first["msg"].removeprefix("Value error, ")
            raise InputError(f"{path}: {where}" if where else str(path), first["input"], message) from None
