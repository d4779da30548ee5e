"""Typed errors of the ranking side."""

from auction.errors import InputError

__all__ = ["AdsrankError", "BundleError", "DeadlineExceeded", "InputError", "SpaceMismatch"]


class AdsrankError(Exception):
    """Base of every error the package raises on purpose (bad input is `InputError`)."""


class BundleError(AdsrankError):
    """A model bundle that must not serve: a missing, altered, oversized or hostile file."""


class SpaceMismatch(AdsrankError):
    """Embeddings of two spaces (or versions of one) that must not be compared."""


class DeadlineExceeded(AdsrankError):
    """The request's time is up: the organic feed is answered."""
