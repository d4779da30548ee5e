"""From a table of shown ads to a bundle and a report."""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from adsrank.features.spec import FeatureSpec
from adsrank.features.transform import CompiledTransform
from adsrank.models.bundle import Bundle, assemble
from adsrank.models.manifest import canonical
from adsrank.training.amount import evaluate_amounts
from adsrank.training.calibrate import fit_calibrators
from adsrank.training.config import TrainConfig
from adsrank.training.evaluate import evaluate
from adsrank.training.first_stage import cut_recall, fit_first_stage
from adsrank.training.fit import Progress, fit_network
from adsrank.training.labels import Labels, by_time
from adsrank.training.split import Split


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
        InputError: a column absent, a value out of range, too few rows; names it.
    """
    spec, config = spec or FeatureSpec.default(), config or TrainConfig()
    threads = torch.get_num_threads()
    torch.set_num_threads(config.threads)
    try:
        return _train(table, spec, config, progress or (lambda stage, done, total: None))
    finally:
        torch.set_num_threads(threads)


def _train(table: pa.Table, spec: FeatureSpec, config: TrainConfig, progress: Progress) -> Trained:
    table = by_time(table)
    labels = Labels.read(table, config.attribution_days)
    split = Split.by_time(labels, config.split)
    transform = CompiledTransform.fit(table.slice(0, split.train_end), spec)
    batch = transform.apply(table)
    known, later, last = (batch.take(rows) for rows in (split.train, split.calibrate, split.test))
    known_labels, later_labels, last_labels = (
        labels.take(rows) for rows in (split.train, split.calibrate, split.test)
    )
    fitted = fit_network(transform, known, known_labels, later, later_labels, config, progress)
    network, curve = fitted.network, fitted.exposure

    progress("calibrate", 0, 2)
    raw_later, raw_last = network.probabilities(later), network.probabilities(last)
    probabilities = fit_calibrators(raw_later, later_labels, curve)
    heads = evaluate(raw_last, probabilities, last_labels, curve)
    progress("calibrate", 1, 2)
    if config.refit_calibrators:
        raw = {head: np.concatenate([raw_later[head], raw_last[head]]) for head in raw_later}
        both = np.arange(split.train_end, len(labels))
        probabilities = fit_calibrators(raw, labels.take(both), curve)
    progress("calibrate", 2, 2)

    progress("distill", 0, 1)
    draws = np.random.Generator(np.random.PCG64([config.seed, 1]))
    stage = fit_first_stage(transform, network, known, config.first_stage, draws, config.threads)
    recall = cut_recall(stage, network, last, draws)
    progress("distill", 1, 1)

    spans = split.to_json()
    bundle = assemble(
        {
            "feature_spec": spec.hash,
            "embedding_space": config.embedding_space,
            "heads": config.heads,
            "model": config.model,
            "exposure": curve.policy(),
            "data": {
                "rows": len(labels),
                "first": spans["train"]["from"],
                "calibrate_from": spans["calibrate"]["from"],
                "test_from": spans["test"]["from"],
                "last": spans["until"],
            },
            "conversion_rate": known_labels.conversion_rate(),
            "training": hashlib.sha256(canonical(config.model_dump(mode="json"))).hexdigest()[:16],
        },
        transform,
        network,
        probabilities,
        stage,
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
        "hash_collisions": transform.collisions_,
        "embedding_rows": transform.rows_,
    }
    return Trained(bundle, report)
