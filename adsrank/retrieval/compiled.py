"""The one way this package compiles its loops."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])

# Sums may be reordered into vector lanes, alike for vectors of one length; NaN and infinity keep
# their meaning. The names are LLVM's.
_FAST = {"reassoc", "contract", "nsz", "arcp"}


def kernel(function: Function) -> Function:
    """Compile `function` for one thread, without the interpreter's lock, cached on disk.

    The cache knows only the file of `function`: a kernel calls kernels of its own file alone.
    """
    return cast(Function, njit(cache=True, nogil=True, fastmath=_FAST)(function))
