"""Logistic regression on clicks whose conversions may be late."""

from typing import Any, Self, get_args

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize
from scipy.sparse import csr_matrix, issparse
from scipy.special import expit, logit

from adsrank.errors import InputError
from adsrank.training.delay.feedback import Feedback
from adsrank.training.delay.loss import delayed_feedback_loss, late_terms
from adsrank.training.delay.targets import Completion, LateConversions, LateRule, LateTargets
from adsrank.training.delay.weibull import WeibullDelay

Float64 = npt.NDArray[np.float64]


class LateLogistic:
    """P(conversion within the window | click, x) = sigmoid(x w + b), whatever the clicks' age.

    Minimizes the sum of a row's loss (`LateTargets`, `delayed_feedback_loss`) plus ridge / 2 |w|^2 by
    L-BFGS. With late="delayed_feedback" it is the model of Chapelle (2014): the delay's log rate is
    x v + c, with a ridge of its own, and all of w, b, v, c and the shape are fitted at once.

    Parameters:
        late: what is done with clicks whose window is open.
        ridge, delay_ridge: of w and of v; a large `delay_ridge` makes it one law for all.
        shape: hold the Weibull shape of the delay; 1 is Chapelle's exponential.
        law: of the delay, held fixed, such as a `DelayCurve` of an older log; default: "importance" takes the
            product limit of the clicks at hand, "delayed_feedback" fits its own.
    """

    def __init__(
        self,
        late: LateConversions = "delayed_feedback",
        *,
        ridge: float = 1.0,
        delay_ridge: float = 1.0,
        shape: float | None = None,
        law: Completion | None = None,
    ) -> None:
        self.late = late
        self.ridge = ridge
        self.delay_ridge = delay_ridge
        self.shape = shape
        self.law = law

    def fit(self, x: Any, feedback: Feedback) -> Self:
        """Learn from clicks [n] with features x [n, k], an array or a sparse matrix.

        Raises:
            InputError: an unknown way, another number of rows, features that are not finite, a ridge that is
                not above 0, or no row that counts.
        """
        if self.late not in get_args(LateConversions):
            raise InputError("late", self.late, f"give one of {get_args(LateConversions)}")
        for name in ("ridge", "delay_ridge"):
            if not getattr(self, name) > 0:
                raise InputError(name, getattr(self, name), "give a number above 0: it keeps weights finite")
        x = self._read(x)
        if x.shape[0] != len(feedback) or not len(feedback):
            raise InputError("x", f"{x.shape[0]} rows", f"give {max(len(feedback), 1)}, one a click")
        if self.late == "delayed_feedback" and self.law is None:
            self._fit_jointly(x, feedback)
        else:
            held = LateRule(self.late, feedback.window_s, self.law)
            rule = held if self.law is not None else LateRule.fit(feedback, self.late)
            self._fit_targets(x, rule.targets(feedback))
        return self

    def predict(self, x: Any) -> Float64:
        """P(conversion within the window | click) of each row, [n]."""
        x = self._read(x)
        if x.shape[1] != len(self.coef_):
            raise InputError("x", f"{x.shape[1]} columns", f"give {len(self.coef_)}, as in fit")
        found: Float64 = expit(x @ self.coef_ + self.intercept_)
        return found

    def _fit_targets(self, x: Any, targets: LateTargets) -> None:
        total = float(targets.weight.sum())
        if not total:
            raise InputError(
                "feedback", "no click whose window is over", "wait, or model late conversions instead"
            )
        rows = np.flatnonzero(targets.weight)
        x, targets = x[rows], LateTargets(*(column[rows] for column in targets))

        def objective(theta: Float64) -> tuple[float, Float64]:
            w, b = theta[:-1], theta[-1]
            loss, slope = late_terms(x @ w + b, targets)
            gradient = np.append(x.T @ slope + self.ridge * w, slope.sum())
            return float(loss.sum() + 0.5 * self.ridge * w @ w), gradient

        rate = float(targets.weight @ targets.target) / total
        start = np.append(np.zeros(x.shape[1]), logit(np.clip(rate, 1e-5, 0.99)))
        self.coef_, self.intercept_ = self._minimize(objective, start)

    def _fit_jointly(self, x: Any, feedback: Feedback) -> None:
        k = x.shape[1]
        columns = tuple(
            torch.from_numpy(np.array(column))
            for column in (feedback.conversion, feedback.delay_s, feedback.elapsed_s)
        )
        law = WeibullDelay.fit(feedback, shape=self.shape)
        centre = float(law.log_rate)

        def objective(theta: Float64) -> tuple[float, Float64]:
            w, b, v, c, s = theta[:k], theta[k], theta[k + 1 : -2], theta[-2], theta[-1]
            logit, rate, shape = (
                torch.tensor(part, requires_grad=True) for part in (x @ w + b, centre + x @ v + c, s)
            )
            total = delayed_feedback_loss(
                logit, rate, shape, columns[0], columns[1], columns[2], feedback.window_s
            ).sum()
            z, u, bend = (part.numpy() for part in torch.autograd.grad(total, (logit, rate, shape)))
            # The weak prior of the law's fit: a rate that nothing speaks of stays put.
            loss = float(total.detach()) + 0.5 * (self.ridge * w @ w + self.delay_ridge * v @ v + c * c)
            gradient = [x.T @ z + self.ridge * w, [z.sum()], x.T @ u + self.delay_ridge * v, [u.sum() + c]]
            return loss, np.concatenate([*gradient, [0.0 if self.shape else float(bend)]])

        start = np.zeros(2 * k + 3)
        rate = (feedback.conversion.sum() + 0.5) / (len(feedback) + 1.0)
        start[k], start[-1] = logit(np.clip(rate, 1e-5, 0.99)), law.log_shape
        found, self.log_shape_ = self._minimize(objective, start)
        self.coef_, self.intercept_ = found[:k], float(found[k])
        self.delay_coef_, self.delay_intercept_ = found[k + 1 : -1], centre + float(found[-1])

    @staticmethod
    def _minimize(objective: Any, start: Float64) -> tuple[Float64, float]:
        found = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": 300}).x
        return found[:-1], float(found[-1])

    @staticmethod
    def _read(x: Any) -> Any:
        x = csr_matrix(x, dtype=np.float64) if issparse(x) else np.asarray(x, np.float64)
        if x.ndim != 2 or not np.isfinite(x.data if issparse(x) else x).all():
            raise InputError("x", f"{x.ndim} axes, or not finite", "give finite features [rows, columns]")
        return x
