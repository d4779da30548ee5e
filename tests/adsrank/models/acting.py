"""The planted market with what its users did lately: every kind of feature in one table."""

import numpy as np
import pyarrow as pa

from adsrank.features.spec import FeatureSpec


def acting(table: pa.Table) -> tuple[pa.Table, FeatureSpec]:
    """The table with an action sequence, and the default features with one that reads it."""
    rng = np.random.default_rng(0)
    acts = [rng.integers(10, 30, rng.integers(0, 12)).tolist() for _ in range(len(table))]
    ages = [sorted(rng.uniform(0, 1e5, len(act)).tolist(), reverse=True) for act in acts]
    table = table.append_column("acts", pa.array(acts, pa.list_(pa.int64())))
    table = table.append_column("ages", pa.array(ages, pa.list_(pa.float64())))
    spec = FeatureSpec.default().model_dump(mode="json") | {"extra_sources": ["acts", "ages"]}
    spec["features"] += [
        {"name": "acts", "source": "acts", "type": "list", "transform": "sequence", "group": "request",
         "table": "interest", "age": "ages", "max_length": 20}
    ]  # fmt: skip
    return table, FeatureSpec.model_validate(spec)
