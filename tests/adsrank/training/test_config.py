from pathlib import Path

from adsrank.features.spec import FeatureSpec
from adsrank.training import TrainConfig, train

CONFIGS = Path(__file__).resolve().parents[3] / "configs"


def test_the_shipped_training_configuration_states_the_defaults():
    assert TrainConfig.load(CONFIGS / "train.yaml") == TrainConfig()


def test_the_shipped_example_of_a_feature_table_trains(few_rows):
    spec = FeatureSpec.load(CONFIGS / "features.yaml")
    trained = train(few_rows, spec, TrainConfig(epochs=1))
    assert trained.bundle.manifest.feature_spec == spec.hash
