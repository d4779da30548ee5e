"""The shipped feature table and one row more: the last actions as a sequence."""

from benchmarks.actions import with_actions

WITH_ACTIONS = with_actions(100)
