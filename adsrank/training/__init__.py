"""Training: from the log of shown ads to a model bundle."""

from adsrank.training.config import TrainConfig
from adsrank.training.join import join, join_log
from adsrank.training.run import run
from adsrank.training.train import Trained, train

__all__ = ["TrainConfig", "Trained", "join", "join_log", "run", "train"]
