"""From a table of shown ads to a bundle and a report."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from adsrank.errors import InputError
from adsrank.features.spec import FeatureSpec
from adsrank.features.summary import summaries
from adsrank.models.bundle import Bundle, assemble
from adsrank.models.document import canonical
from adsrank.training.amount import evaluate_amounts
from adsrank.training.calibrate import fit_calibrators
from adsrank.training.checkpoint import Checkpoints
from adsrank.training.config import TrainConfig
from adsrank.training.evaluate import evaluate, held_out
from adsrank.training.first_stage import cut_recall, fit_first_stage
from adsrank.training.fit import Fitted, Progress, fit_rows
from adsrank.training.journal import Journal
from adsrank.training.prepare import Prepared, prepare_table
from adsrank.training.rows import READ, evenly, joined_labels
from adsrank.training.warm import carried


@dataclass(frozen=True, slots=True)
class Trained:
    """A bundle, not yet saved, and what is known of it."""

    bundle: Bundle
    report: dict[str, Any]


def train(
    table: pa.Table,
    spec: FeatureSpec | None = None,
    config: TrainConfig | None = None,
    progress: Progress | None = None,
) -> Trained:
    """Train, calibrate on later rows, test on the latest, distill the first stage.

    Parameters:
        table: `features.examples.SCHEMA` (more columns are ignored).
        spec: the feature table; default: the shipped one.
        progress: called as progress(stage, done, total), stage "train", "calibrate" or "distill".

    The report's figures are of the test rows, with calibrators that never saw them; the calibrators in
    the bundle are then fitted on calibration and test rows together (`refit_calibrators`).

    Raises:
        InputError: a column absent, a value out of range, too few rows, no clicks; names it.
    """
    config = config or TrainConfig()
    with threads(config.threads):
        return train_prepared(prepare_table(table, spec or FeatureSpec.default(), config), config, progress)


@contextmanager
def threads(number: int) -> Iterator[None]:
    """So many of torch's threads, and as many as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def train_prepared(
    prepared: Prepared,
    config: TrainConfig,
    progress: Progress | None = None,
    *,
    since: Bundle | None = None,
    checkpoints: Checkpoints | None = None,
    journal: Journal | None = None,
) -> Trained:
    """`train` of rows that are encoded already.

    Parameters:
        since: the bundle to begin with; `prepared.transform` must have grown from its.
        checkpoints, journal: see `fit.fit_rows`.

    Of each piece of the split, at most `window_rows` rows, evenly spaced, are calibrated, tested and
    distilled on.
    """
    progress = progress or (lambda stage, done, total: None)
    check_labels(prepared)
    fitted = fit_rows(
        prepared.transform,
        prepared.train,
        prepared.calibrate,
        config,
        progress,
        start=None if since is None else carried(since, prepared.transform),
        checkpoints=checkpoints,
        journal=journal,
    )
    return _finish(prepared, fitted, config, progress, since)


def check_labels(prepared: Prepared) -> None:
    """Raises InputError where the training rows have no click, or nothing else; names the label.

    The other labels may be all of one class: their head then says its prior rate.
    """
    total, n = 0.0, len(prepared.train)
    for start in range(0, n, READ):
        total += float(prepared.train.read(start, min(start + READ, n))[1].click.sum())
    if total in (0.0, float(n)):
        raise InputError(
            "click", f"{int(total > 0)} in all {n} training rows", "give a log with clicks and without"
        )


def _finish(
    prepared: Prepared, fitted: Fitted, config: TrainConfig, progress: Progress, since: Bundle | None
) -> Trained:
    assert prepared.sample is not None
    transform, network, curve = prepared.transform, fitted.network, fitted.exposure
    earlier = None if since is None else since.probabilities
    later, later_labels = evenly(prepared.calibrate, config.window_rows)
    last, last_labels = evenly(prepared.test, config.window_rows)

    progress("calibrate", 0, 2)
    raw_later, raw_last = network.probabilities(later), network.probabilities(last)
    probabilities = fit_calibrators(raw_later, later_labels, curve, earlier)
    heads = evaluate(raw_last, probabilities, last_labels, curve)
    progress("calibrate", 1, 2)
    if config.refit_calibrators:
        raw = {head: np.concatenate([raw_later[head], raw_last[head]]) for head in raw_later}
        probabilities = fit_calibrators(raw, joined_labels([later_labels, last_labels]), curve, earlier)
    progress("calibrate", 2, 2)

    progress("distill", 0, 1)
    draws = np.random.Generator(np.random.PCG64([config.seed, 1]))
    known, known_labels = evenly(prepared.train, config.window_rows)
    stage = fit_first_stage(transform, network, known, config.first_stage, draws, config.threads)
    recall = cut_recall(stage, network, last, draws)
    progress("distill", 1, 1)

    spans = prepared.split.to_json()
    bundle = assemble(
        {
            "feature_spec": transform.spec.hash,
            "embedding_space": config.embedding_space,
            "heads": config.heads,
            "model": config.model,
            "held_out": held_out(heads),
            "exposure": curve.policy(),
            "data": {
                "rows": len(prepared.rows),
                "first": spans["train"]["from"],
                "calibrate_from": spans["calibrate"]["from"],
                "test_from": spans["test"]["from"],
                "last": spans["until"],
            },
            "conversion_rate": known_labels.conversion_rate() if since is None else since.conversion_rate,
            "training": hashlib.sha256(canonical(config.model_dump(mode="json"))).hexdigest()[:16],
        },
        transform,
        network,
        probabilities,
        stage,
        prepared.sample,
    )
    report = {
        "bundle": bundle.id,
        "split": spans,
        "heads": heads,
        "amounts": evaluate_amounts(network.values(last), last_labels),
        "exposure": bundle.exposure.model_dump(),
        "epochs": len(fitted.losses),
        "losses": fitted.losses,
        "rows_per_s": fitted.rows_per_s,
        "first_stage": recall.to_json(),
        "tables": [table.to_json() for table in summaries(transform, last)],
        "missing_columns": prepared.missing,
        "continued": None if since is None else since.id,
    }
    return Trained(bundle, report)
