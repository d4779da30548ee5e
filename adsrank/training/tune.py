"""Searching training settings on a Ray cluster: many fits of the same rows, the poor ones stopped early."""

import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from adsrank.errors import AdsrankError, InputError
from adsrank.training.config import TrainConfig
from adsrank.training.fit import fit_rows
from adsrank.training.memory import keep_freed_memory
from adsrank.training.prepare import Prepared
from adsrank.training.prepared_folder import read_prepared, write_prepared
from adsrank.training.ray_train import start_ray
from adsrank.training.search import SearchSpace, changed

METRIC = "loss"

FIXED = frozenset(
    {"attribution_days", "split", "heads", "entire_space", "learn_exposure", "exposure", "task_weights",
     "late_conversions"}
)  # fmt: skip
"""Settings that decide which rows are judged, or what a loss is: losses would not compare."""


class TuneError(AdsrankError):
    """No trial came to an end."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One configuration that was tried."""

    changes: dict[str, Any]
    loss: float | None
    """The least mean loss on the later rows of any epoch; None where the trial failed."""
    epochs: int
    rows_per_s: float
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True, slots=True)
class Tuned:
    """The trials, best first, and the best one's configuration."""

    trials: list[Trial]
    config: TrainConfig

    def to_json(self) -> dict[str, Any]:
        return {
            "trials": [trial.to_json() for trial in self.trials],
            "config": self.config.model_dump(mode="json"),
        }


def tune(
    prepared: Prepared,
    place: Path,
    base: TrainConfig,
    space: SearchSpace,
    trials: int,
    *,
    at_once: int = 1,
    seed: int = 0,
) -> Tuned:
    """Fit `prepared` (rows in files, in `place`) under each trial's settings; judge by the later rows.

    The test rows are not looked at: the least loss of many trials is too good, and the test is for what
    is trained with the settings afterwards. Trials whose loss is above the median of the others after as
    many epochs stop (asynchronous successive halving, Li et al., 2020).

    Raises:
        InputError: the space names an unknown setting, or one by which losses would not compare.
        TuneError: every trial failed; says how.
    """
    import ray
    from ray import tune as ray_tune
    from ray.tune.schedulers import ASHAScheduler

    for name in space.settings:
        if name.split(".")[0] in FIXED:
            raise InputError(name, "not to be searched", "trials must be judged by one loss on the same rows")
    drawn = space.trials(trials, base, seed)
    most = max(changed(base, changes).epochs for changes in drawn)
    write_prepared(prepared, place)
    own = not ray.is_initialized()
    if own:
        start_ray(at_once)
    try:
        tuner = ray_tune.Tuner(
            ray_tune.with_resources(fit_trial, {"cpu": 1}),
            param_space={
                "changes": ray_tune.grid_search(drawn),
                "base": base.model_dump(mode="json"),
                "place": str(place.absolute()),
            },
            tune_config=ray_tune.TuneConfig(
                metric=METRIC,
                mode="min",
                scheduler=ASHAScheduler(max_t=most, grace_period=1, reduction_factor=2),
                max_concurrent_trials=at_once,
            ),
            run_config=ray_tune.RunConfig(
                name="trials", storage_path=str((place / "ray").absolute()), verbose=0
            ),
        )
        with redirect_stdout(sys.stderr):  # it prints a table of its own, asked for or not
            found = tuner.fit()
    finally:
        if own:
            ray.shutdown()
    told = [_trial(result) for result in found]
    ended = sorted((trial for trial in told if trial.loss is not None), key=lambda trial: trial.loss or 0.0)
    failed = [trial for trial in told if trial.loss is None]
    if not ended:
        raise TuneError(f"no trial came to an end: {failed[0].error if failed else 'none was started'}")
    return Tuned([*ended, *failed], changed(base, ended[0].changes))


def fit_trial(told: dict[str, Any]) -> None:
    """What each trial runs: the fit of `adsrank train`, reporting each epoch."""
    config = changed(TrainConfig.model_validate(told["base"]), told["changes"])
    torch.set_num_threads(config.threads)
    keep_freed_memory()
    prepared = read_prepared(Path(told["place"]))
    try:
        fit_rows(prepared.transform, prepared.train, prepared.calibrate, config, journal=_Reporter())
    except InputError as error:
        raise RuntimeError(str(error)) from None  # Ray copies what a trial raises: a plain error can be


class _Reporter:
    """Tells Ray Tune the least loss so far after each epoch."""

    def record(self, part: str, step: int, values: dict[str, Any]) -> None:
        from ray import tune as ray_tune

        if part == "later":
            ray_tune.report(
                {
                    METRIC: values["best_loss"],
                    "epochs": values["epoch"] + 1,
                    "rows_per_s": values["rows_per_s"],
                }
            )

    def back_to(self, step: int) -> None:
        pass


def _trial(result: Any) -> Trial:
    metrics = result.metrics or {}
    changes = dict(result.config["changes"]) if result.config else {}
    if METRIC not in metrics:
        return Trial(changes, None, 0, 0.0, str(result.error).strip().splitlines()[-1][:200])
    return Trial(changes, float(metrics[METRIC]), int(metrics["epochs"]), float(metrics["rows_per_s"]))
