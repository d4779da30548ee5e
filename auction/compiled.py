"""The one way this package compiles: cached on disk, and never a stale cache.

Numba keys its disk cache by the file and line of the compiled function alone. A kernel that calls a
kernel of another file would go on running the old code of its callee after an update, so that a decision
would no longer replay; and an index written before a class moved cannot be read at all. Here the digest of
all kernel files is part of the name of every cache file instead.
"""

import hashlib
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from numba import njit
from numba.core.caching import IndexDataCacheFile

Function = TypeVar("Function", bound=Callable[..., Any])

_SOURCES = (
    "bid",
    "columns",
    "compiled",
    "feed",
    "grid",
    "layout",
    "loss",
    "market",
    "order",
    "plain",
    "pricing",
    "rows",
    "score",
    "settle",
    "table",
    "tie",
)


def _digest(folder: Path) -> str:
    whole = hashlib.sha256()
    for name in _SOURCES:
        whole.update((folder / f"{name}.py").read_bytes())
    return whole.hexdigest()


DIGEST = _digest(Path(__file__).parent)


def _spare_blas() -> None:
    """Let Numba find that there is a BLAS without loading it: a fifth of a process's first auction.

    Before its first kernel Numba imports `scipy.linalg`, only to remember whether that can be done. A
    kernel that calls a BLAS imports it then.
    """
    asked, name = "numba.np.arraymath", "scipy.linalg.cython_blas"
    if asked in sys.modules or name in sys.modules or find_spec("scipy") is None:
        return
    sys.modules[name] = ModuleType(name)
    try:
        import_module(asked)
    finally:
        del sys.modules[name]


_spare_blas()


def kernel(function: Function) -> Function:
    """Compile without fast-math and without threads, so that every machine gives the same bits."""
    return _compile(function, {})


def leaf(function: Function) -> Function:
    """A `kernel` that creates no array: compiled without reference counts, which cost more than it does.

    Callers hold the arrays it is given for as long as it runs.
    """
    try:
        return _compile(function, {"_nrt": False})
    except KeyError:
        return _compile(function, {})


def part(function: Function) -> Function:
    """A `kernel` of one caller, compiled as part of it: each level of kernels costs seconds to build."""
    return _compile(function, {"inline": "always"})


def _compile(function: Function, options: dict[str, bool | str]) -> Function:
    compiled: Any = njit(cache=True, nogil=True, error_model="numpy", **options)(function)
    try:
        # No public hook exists; without this one the cache is off: slower to start, still right.
        cache = compiled._cache
        cache._cache_file = IndexDataCacheFile(
            cache_path=cache._cache_path,
            filename_base=f"{cache._impl.filename_base}.{DIGEST[:16]}",
            source_stamp=DIGEST,
        )
    except (AttributeError, TypeError):
        compiled = njit(nogil=True, error_model="numpy", **options)(function)
    typed: Function = compiled
    return typed
