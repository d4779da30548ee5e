"""What a replica writes about itself: one line of JSON an event, in files that do not grow without end."""

import logging
import os
from logging.handlers import RotatingFileHandler
from pathlib import Path

import structlog

MAX_BYTES = 10_000_000
KEPT = 2
NAME = "adsrank"


def write_to(folder: Path) -> None:
    """Send this process's structured log to ``folder/replica-PID.jsonl``."""
    folder.mkdir(parents=True, exist_ok=True)
    handler = RotatingFileHandler(
        folder / f"replica-{os.getpid()}.jsonl", maxBytes=MAX_BYTES, backupCount=KEPT, delay=True
    )
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger(NAME)
    logger.handlers = [handler]
    logger.propagate = False
    logger.setLevel(logging.INFO)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=lambda *_: logging.getLogger(NAME),
        cache_logger_on_first_use=False,
    )
