"""The keys that sign placement tokens."""

import os
import secrets
from pathlib import Path

from auction.errors import InputError

KEY_BYTES = 32


def token_keys(data: Path, variable: str) -> list[bytes]:
    """The keys in the environment (comma-separated; the first signs, all verify), else the folder's own.

    That one is made on first use and readable by its owner only.

    Raises:
        InputError: a key that is not 64 hex digits, named by variable or file; its value is never shown.
    """
    given = os.environ.get(variable)
    if given:
        return [_decode(variable, part) for part in given.split(",")]
    file = data / "token.key"
    data.mkdir(parents=True, exist_ok=True)
    try:
        # Two replicas may start at once: the first to link its finished file wins, the other reads it.
        fresh = data / f".token.key.{os.getpid()}.{secrets.token_hex(4)}"
        if not file.exists():
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as out:
                out.write(secrets.token_hex(KEY_BYTES))
            try:
                os.link(fresh, file)
            except FileExistsError:
                pass
            finally:
                fresh.unlink()
        return [_decode(str(file), file.read_text(encoding="ascii"))]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(str(file), "(hidden)", f"must be readable and writable: {error}") from None


def _decode(where: str, text: str) -> bytes:
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise InputError(
            where, "(hidden)", f"give {2 * KEY_BYTES} hex digits, e.g. from `openssl rand -hex 32`"
        )
    return key
