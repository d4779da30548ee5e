"""The shipped feature table and one row more: the last actions as a sequence."""

from pathlib import Path

from adsrank.features.spec import FeatureSpec, Transform

EXAMPLE = FeatureSpec.load(Path(__file__).resolve().parents[2] / "configs" / "features.yaml")
WITH_ACTIONS = FeatureSpec.model_validate(
    {
        "features": [
            *FeatureSpec.default().features,
            *(row for row in EXAMPLE.features if row.transform is Transform.SEQUENCE),
        ]
    }
)
