"""The shipped feature table with the row that one adds: the user's last actions as a sequence."""

from pathlib import Path

from adsrank.features.spec import FeatureSpec, Transform

EXAMPLE = Path(__file__).resolve().parents[1] / "configs" / "features.yaml"


def with_actions(length: int) -> FeatureSpec:
    """The shipped table and the example's sequence, of a user's last `length` actions."""
    found = [row for row in FeatureSpec.load(EXAMPLE).features if row.transform is Transform.SEQUENCE]
    rows = [row.model_copy(update={"max_length": length}) for row in found]
    return FeatureSpec(features=[*FeatureSpec.default().features, *rows])
