"""Typed errors of the market side."""

import reprlib

_BOUNDED = reprlib.Repr()
_BOUNDED.maxstring = _BOUNDED.maxother = 300
_BOUNDED.maxlist = _BOUNDED.maxtuple = _BOUNDED.maxdict = _BOUNDED.maxset = _BOUNDED.maxfrozenset = 12
"""What a value is shown as: a few kilobytes of YAML with anchors may name more items than memory holds."""


class AuctionError(Exception):
    """Base of every error the package raises on purpose."""


class InputError(AuctionError, ValueError):
    """A value refused at the door.

    `field` is the path of the offending value (``bid_micros[3]``), `value` what was found there,
    `fix` what would be accepted.
    """

    def __init__(self, field: str, value: object, fix: str) -> None:
        super().__init__(f"{field}: {_BOUNDED.repr(value)} is refused; {fix}")
        self.field = field
        self.value = value
        self.fix = fix
