"""What counts as a number among parameters: numpy's too, as searches give them, but no bool."""

from numbers import Integral, Real


def is_number(value: object) -> bool:
    """An int or a float."""
    return isinstance(value, Real) and not isinstance(value, bool)


def is_whole(value: object) -> bool:
    """An int."""
    return isinstance(value, Integral) and not isinstance(value, bool)
