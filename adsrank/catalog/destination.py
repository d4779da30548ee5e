"""Where a click leads: only plain https addresses are taken."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\<>\"`{}|^]")


def check_destination(url: str) -> str:
    """`url` unchanged where it is an absolute https address of a host, without a user part.

    Raises:
        ValueError: any other scheme, no host, a user part (``https://bank.example@elsewhere``),
            a space, a control character or a backslash, a port out of range.
    """
    if _FORBIDDEN.search(url):
        raise ValueError("has a space, control character, quote or backslash; percent-encode it")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("is not an address; give https://host/path") from None
    if parts.scheme != "https":
        raise ValueError(f"has scheme {parts.scheme or 'none'!r}; only https is taken")
    if not parts.hostname:
        raise ValueError("names no host; give https://host/path")
    if parts.username is not None or parts.password is not None:
        raise ValueError("has a user part before '@'; remove it")
    if port == 0:
        raise ValueError("has port 0; leave the port out or give 1 to 65535")
    return url


Destination = Annotated[str, Field(min_length=9, max_length=2048), AfterValidator(check_destination)]
