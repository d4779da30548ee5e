"""Signed placement tokens: all that settling an event needs travels with the placement itself."""

import base64
import binascii
import hashlib
import hmac
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from auction.billable import Billable

VERSION = 1
MAX_TOKEN_CHARS = 4096
MIN_KEY_BYTES = 16
TAG_BYTES = 32

_HEAD = struct.Struct(">BB")
_FIXED = struct.Struct(">qqqqqBdd")
_LENGTH = struct.Struct(">H")
_TEXTS = ("placement_id", "request_id", "day", "destination")


class Fault(StrEnum):
    """What is wrong with a token."""

    MALFORMED = "malformed"
    FORGED = "forged"
    EXPIRED = "expired"


class TokenError(ValueError):
    """A token that proves nothing. `fault` says why; the message never repeats the token."""

    def __init__(self, fault: Fault, detail: str) -> None:
        super().__init__(f"{fault}: {detail}")
        self.fault = fault
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Placement:
    """One placed ad, as its events will be settled."""

    placement_id: str
    request_id: str
    ad_id: int
    campaign_id: int
    advertiser_id: int
    day: str
    """Day of the placement in the account's zone: late events are charged to it."""
    billable: Billable
    price_micros: int
    """Per one billable event."""
    position: int
    issued_at: float
    """UTC seconds."""
    expires_at: float
    """UTC seconds; the last instant at which an event counts."""
    destination: str = ""
    """Where a click goes, from the ad record."""


class TokenSigner:
    """Signs placements and reads them back.

    A token is base64url(version, key number, fields, HMAC-SHA256 of all before), without padding. The
    content is signed, not secret: it holds no user id. The first key signs; the others still verify,
    so a key is changed by putting a new one first.

    Raises:
        ValueError: no key, or a key shorter than 16 bytes.
    """

    def __init__(self, keys: bytes | Sequence[bytes]) -> None:
        each = [keys] if isinstance(keys, bytes) else list(keys)
        if not each:
            raise ValueError("keys: none given; give at least one secret key")
        for number, key in enumerate(each):
            if len(key) < MIN_KEY_BYTES:
                raise ValueError(f"keys[{number}]: {len(key)} bytes; give at least {MIN_KEY_BYTES}")
        self._keys = [(hashlib.sha256(b"key number" + key).digest()[0], key) for key in each]

    def encode(self, placement: Placement) -> str:
        """The placement as a url-safe string.

        Raises:
            TokenError: a field that does not fit (MALFORMED).
        """
        number, key = self._keys[0]
        body = _HEAD.pack(VERSION, number) + _pack(placement)
        token = base64.urlsafe_b64encode(body + _tag(key, body)).rstrip(b"=").decode("ascii")
        if len(token) > MAX_TOKEN_CHARS:
            raise TokenError(Fault.MALFORMED, f"{len(token)} characters; shorten the destination")
        return token

    def decode(self, token: str, now: float | None = None) -> Placement:
        """The placement that `token` proves, checked against `now` (UTC seconds) if given.

        Raises:
            TokenError: MALFORMED (not a token, too long, another version), FORGED (not signed with
                one of the keys), EXPIRED.
        """
        raw = _unwrap(token)
        body, tag = raw[:-TAG_BYTES], raw[-TAG_BYTES:]
        version, number = _HEAD.unpack_from(body)
        if version != VERSION:
            raise TokenError(Fault.MALFORMED, f"version {version}; this reads version {VERSION}")
        genuine = False
        for known, key in self._keys:
            if known == number:
                genuine |= hmac.compare_digest(tag, _tag(key, body))
        if not genuine:
            raise TokenError(Fault.FORGED, "the signature is not of a key in use")
        placement = _unpack(body[_HEAD.size :])
        if now is not None and now > placement.expires_at:
            raise TokenError(Fault.EXPIRED, f"{now - placement.expires_at:.0f} s ago")
        return placement


def _tag(key: bytes, body: bytes) -> bytes:
    return hmac.digest(key, body, "sha256")


def _unwrap(token: str) -> bytes:
    if len(token) > MAX_TOKEN_CHARS:
        raise TokenError(Fault.MALFORMED, f"{len(token)} characters; at most {MAX_TOKEN_CHARS}")
    try:
        ascii_token = token.encode("ascii")
        raw = base64.b64decode(ascii_token + b"=" * (-len(ascii_token) % 4), b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error, ValueError):
        raise TokenError(Fault.MALFORMED, "not base64url") from None
    # One placement has one spelling: stray bits in the last character are refused.
    if base64.urlsafe_b64encode(raw).rstrip(b"=") != ascii_token:
        raise TokenError(Fault.MALFORMED, "not the canonical base64url")
    if len(raw) < _HEAD.size + _FIXED.size + len(_TEXTS) * _LENGTH.size + TAG_BYTES:
        raise TokenError(Fault.MALFORMED, "too short")
    return raw


def _pack(placement: Placement) -> bytes:
    if not placement.placement_id:
        raise TokenError(Fault.MALFORMED, "placement_id is empty")
    if placement.price_micros < 0:
        raise TokenError(Fault.MALFORMED, f"price_micros {placement.price_micros} is negative")
    if not (math.isfinite(placement.issued_at) and math.isfinite(placement.expires_at)):
        raise TokenError(Fault.MALFORMED, "issued_at and expires_at must be finite")
    try:
        parts = [
            _FIXED.pack(
                placement.ad_id,
                placement.campaign_id,
                placement.advertiser_id,
                placement.price_micros,
                placement.position,
                placement.billable,
                placement.issued_at,
                placement.expires_at,
            )
        ]
        for name in _TEXTS:
            text = getattr(placement, name).encode("utf-8")
            parts += [_LENGTH.pack(len(text)), text]
    except (struct.error, UnicodeEncodeError) as error:
        raise TokenError(Fault.MALFORMED, str(error)) from None
    return b"".join(parts)


def _unpack(data: bytes) -> Placement:
    # The signature was checked: what fails here was signed by a faulty or older signer.
    try:
        ad, campaign, advertiser, price, position, billable, issued, expires = _FIXED.unpack_from(data)
        texts, at = [], _FIXED.size
        for _ in _TEXTS:
            (length,) = _LENGTH.unpack_from(data, at)
            at += _LENGTH.size
            if at + length > len(data):
                raise TokenError(Fault.MALFORMED, "cut short")
            texts.append(data[at : at + length].decode("utf-8"))
            at += length
        if at != len(data):
            raise TokenError(Fault.MALFORMED, "bytes after the last field")
        return Placement(
            placement_id=texts[0],
            request_id=texts[1],
            ad_id=ad,
            campaign_id=campaign,
            advertiser_id=advertiser,
            day=texts[2],
            billable=Billable(billable),
            price_micros=price,
            position=position,
            issued_at=issued,
            expires_at=expires,
            destination=texts[3],
        )
    except (struct.error, UnicodeDecodeError, ValueError) as error:
        if isinstance(error, TokenError):
            raise
        raise TokenError(Fault.MALFORMED, str(error)) from None
