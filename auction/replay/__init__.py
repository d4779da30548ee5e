"""Decide the log again: unchanged, to prove it exact; under another policy, to see what changes."""

from auction.replay.compare import compare
from auction.replay.replay import replay
from auction.replay.report import Difference, Estimate, PolicyComparison, ReplayReport

__all__ = ["Difference", "Estimate", "PolicyComparison", "ReplayReport", "compare", "replay"]
