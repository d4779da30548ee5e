"""Trains as told on the command line, for a test to kill: TABLE OUT RUN [resume]."""

import sys

from adsrank.models.config import ModelConfig
from adsrank.training import TrainConfig, run

CONFIG = TrainConfig(
    model=ModelConfig(sequence=None),
    epochs=2,
    batch_size=512,
    window_rows=int(sys.argv[4]),
    embedding_update=sys.argv[5],
    unknown_rate=0.1,
)

if __name__ == "__main__":
    run(
        sys.argv[1],
        sys.argv[2],
        CONFIG,
        folder=sys.argv[3],
        resume="resume" in sys.argv,
        checkpoint_seconds=0.0,
    )
