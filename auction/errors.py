"""Typed errors of the market side."""


class AuctionError(Exception):
    """Base of every error the package raises on purpose."""


class InputError(AuctionError, ValueError):
    """A value refused at the door.

    `field` is the path of the offending value (``bid_micros[3]``), `value` what was found there,
    `fix` what would be accepted.
    """

    def __init__(self, field: str, value: object, fix: str) -> None:
        super().__init__(f"{field}: {value!r} is refused; {fix}")
        self.field = field
        self.value = value
        self.fix = fix
