"""A table of any length trains in the memory of a window."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from adsrank.training.memory import keep_freed_memory

CHILD = Path(__file__).with_name("memory_child.py")


@pytest.mark.slow
def test_the_memory_of_training_does_not_grow_with_the_table(planted, tmp_path):
    """300,000 rows more cost no more than a fifth of what they cost held in memory."""

    def rise(copies: int, window: int) -> int:
        folder = tmp_path / f"{copies}"
        if not folder.exists():
            folder.mkdir()
            for copy in range(copies):
                time = pc.add(planted.table["time"], pa.scalar(timedelta(days=14 * copy)))
                at = planted.table.column_names.index("time")
                pq.write_table(planted.table.set_column(at, "time", time), folder / f"{copy:03d}.parquet")
        done = subprocess.run(
            [sys.executable, str(CHILD), str(folder), str(tmp_path / f"rows-{copies}-{window}"), str(window)],
            capture_output=True,
            text=True,
            check=True,
        )
        risen, rows = map(int, done.stdout.split())
        assert rows == copies * len(planted.table)
        return risen

    few, many = rise(5, 20_000), rise(15, 20_000)
    held = rise(15, 1_000_000) - rise(5, 1_000_000)
    assert held > 100e6  # as columns and as features
    assert many - few < held / 5


def test_freed_memory_is_kept_where_the_library_can():
    assert keep_freed_memory() is (sys.platform == "linux")
