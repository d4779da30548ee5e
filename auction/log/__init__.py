"""The decision log: every decision a row that can be decided again, in Parquet."""

from auction.log.decisions import Decisions
from auction.log.part import LogError
from auction.log.reader import DecisionLog
from auction.log.record import SCHEMA_VERSION, DecisionRecord, Departure, StageCount
from auction.log.schema import decision_schema
from auction.log.writer import LogWriter

__all__ = [
    "SCHEMA_VERSION",
    "DecisionLog",
    "DecisionRecord",
    "Decisions",
    "Departure",
    "LogError",
    "LogWriter",
    "StageCount",
    "decision_schema",
]
