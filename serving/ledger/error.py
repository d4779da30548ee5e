"""What can go wrong with the ledger."""


class LedgerError(Exception):
    """Base of every error the ledger raises on purpose."""


class LedgerUnavailable(LedgerError):
    """The database cannot be written now. Nothing was charged; the same call may be made again."""


class LedgerMismatch(LedgerError):
    """The database holds a ledger of another version, which this code must not touch."""
