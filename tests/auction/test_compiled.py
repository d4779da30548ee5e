"""Compiled code never outlives its source."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

import auction
from auction import compiled
from auction.feed import decide_feeds
from auction.layout import solve
from auction.settle import settle
from auction.tie import tie_hash


def test_every_file_with_a_kernel_is_in_the_digest() -> None:
    folder = Path(auction.__file__).parent
    with_kernels = {
        path.stem
        for path in folder.glob("*.py")
        if "@kernel" in path.read_text() or "@leaf" in path.read_text()
    }
    assert with_kernels - {"compiled"} <= set(compiled._SOURCES)


def test_the_name_of_every_cache_file_carries_the_digest_of_all_kernel_files() -> None:
    for function in (solve, settle, decide_feeds):
        assert compiled.DIGEST[:16] in Path(function._cache._cache_file._index_path).name


def test_a_change_of_any_kernel_file_changes_the_digest(tmp_path: Path) -> None:
    folder = Path(auction.__file__).parent
    for name in compiled._SOURCES:
        shutil.copy(folder / f"{name}.py", tmp_path)
    assert compiled._digest(tmp_path) == compiled.DIGEST
    (tmp_path / "layout.py").write_text((tmp_path / "layout.py").read_text() + "# changed\n")
    assert compiled._digest(tmp_path) != compiled.DIGEST


def test_a_second_process_reads_the_kernels_from_disk() -> None:
    tie_hash(np.uint64(1), np.int64(1))
    program = (
        "import numpy as np\n"
        "from auction.tie import tie_hash\n"
        "tie_hash(np.uint64(1), np.int64(1))\n"
        "print(sum(tie_hash.stats.cache_hits.values()), sum(tie_hash.stats.cache_misses.values()))"
    )
    root = Path(auction.__file__).parents[1]
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=root, check=True
    )
    assert run.stdout.split() == ["1", "0"]


def test_linear_algebra_is_loaded_by_the_kernels_that_call_it_and_by_no_other() -> None:
    program = (
        "import sys\n"
        "import numpy as np\n"
        "from numba import njit\n"
        "from auction.tie import tie_hash\n"
        "tie_hash(np.uint64(1), np.int64(1))\n"
        "print('scipy.linalg' in sys.modules)\n"
        "print(njit(lambda a, b: np.dot(a, b))(np.eye(2), np.eye(2)).sum())"
    )
    root = Path(auction.__file__).parents[1]
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=root, check=True
    )
    assert run.stdout.split() == ["False", "2.0"]
