"""What only the type and age of actions tells is learned by the sequence block, and by nothing else."""

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score

from adsrank.features.spec import FeatureSpec
from adsrank.features.transform import CompiledTransform
from adsrank.models.config import ModelConfig
from adsrank.training import TrainConfig
from adsrank.training.fit import fit_network
from adsrank.training.labels import Labels

N, TRAIN, INTERESTS, LENGTH = 24_000, 20_000, 12, 8
CLICK, HIDE = 1, 2

SPEC = FeatureSpec.model_validate(
    {
        "extra_sources": ["acted_on", "acted", "acted_s"],
        "features": [
            {
                "name": "actions",
                "source": "acted_on",
                "type": "list",
                "transform": "sequence",
                "group": "request",
                "table": "interest",
                "also": {"acted": "action"},
                "age": "acted_s",
                "max_length": LENGTH,
            },
            {
                "name": "ad_interest",
                "source": "ad_interest",
                "type": "integer",
                "transform": "vocabulary",
                "group": "ad",
                "table": "interest",
            },
        ],
    }
)


def market(seed=0):
    """An ad is clicked where its interest was clicked within the hour; a hide or a month ago says nothing."""
    rng = np.random.default_rng(seed)
    interest = rng.integers(10, 10 + INTERESTS, (N, LENGTH))
    kind = rng.choice([CLICK, HIDE], (N, LENGTH))
    seconds = np.where(rng.random((N, LENGTH)) < 0.5, 600.0, 30 * 86_400.0)
    ad = rng.integers(10, 10 + INTERESTS, N)
    wanted = ((interest == ad[:, None]) & (kind == CLICK) & (seconds < 3600)).any(1)
    p = np.where(wanted, 0.7, 0.1)
    click = (rng.random(N) < p).astype(float)
    table = pa.table(
        {
            "acted_on": interest.tolist(),
            "acted": kind.tolist(),
            "acted_s": seconds.tolist(),
            "ad_interest": ad,
        }
    )
    none = np.zeros(N)
    place = np.ones(N, np.int64), np.zeros(N, np.int64)
    return table, p, Labels(np.arange(N), *place, click, none, none, none, np.ones(N, bool))


@pytest.mark.slow
def test_type_and_age_of_actions_are_learned_for_each_candidate():
    table, p, labels = market()
    transform = CompiledTransform.fit(table.slice(0, TRAIN), SPEC)
    batch, known, later = transform.apply(table), np.arange(TRAIN), np.arange(TRAIN, N)
    found = {}
    for name, size in (("with", {}), ("without", {"sequence": None})):
        config = TrainConfig(
            heads=("click",),
            epochs=12,
            batch_size=256,
            learn_exposure=False,
            embedding_decay=0.1,
            learning_rate=4e-3,
            model=ModelConfig.model_validate({"embedding": 16, **size}),
        )
        fitted = fit_network(
            transform, batch.take(known), labels.take(known), batch.take(later), labels.take(later), config
        )
        scores = fitted.network.probabilities(batch.take(later))["click"]
        found[name] = roc_auc_score(labels.click[later], scores)
    best = roc_auc_score(labels.click[later], p[later])
    assert found["without"] < 0.55
    assert found["with"] - 0.5 > 0.8 * (best - 0.5)
