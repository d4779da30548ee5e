"""What the C library does with memory that a training step gives back."""

import ctypes

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Numbers of the settings in glibc's malloc.h."""

LARGEST = 2**31 - 1


def keep_freed_memory() -> bool:
    """Let this process keep what it frees, for good; whether its C library can.

    A step allocates and frees the same few large arrays. By default glibc hands each back to the system
    and asks for it anew, and the system clears every page again: a fifth of a small network's step. For
    processes that train and do nothing else; the memory in use at the peak is the same.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # not glibc
        return False
    return bool(mallopt(MMAP_THRESHOLD, LARGEST) and mallopt(TRIM_THRESHOLD, LARGEST))
