"""Placement tokens."""

import base64
import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auction.billable import Billable
from serving.token import MAX_TOKEN_CHARS, Fault, Placement, TokenError, TokenSigner
from tests.serving.market import NOW, placement

KEY = b"a key of thirty-two bytes, kept."
SIGNER = TokenSigner(KEY)

int64 = st.integers(-(2**63), 2**63 - 1)
placements = st.builds(
    Placement,
    placement_id=st.text(min_size=1, max_size=60),
    request_id=st.text(max_size=60),
    ad_id=int64,
    campaign_id=int64,
    advertiser_id=int64,
    day=st.sampled_from(["2026-03-29", "lifetime"]),
    billable=st.sampled_from(Billable),
    price_micros=st.integers(0, 2**63 - 1),
    position=st.integers(0, 10_000),
    issued_at=st.floats(0, 4e9),
    expires_at=st.floats(0, 4e9),
    destination=st.text(max_size=300),
)


def fault(token: str, signer: TokenSigner = SIGNER, now: float | None = NOW) -> Fault:
    with pytest.raises(TokenError) as caught:
        signer.decode(token, now)
    assert token[:20] not in str(caught.value) or len(token) < 8, "the message repeats no token"
    return caught.value.fault


@given(placements)
def test_what_was_signed_comes_back_to_the_bit(placed: Placement) -> None:
    assert SIGNER.decode(SIGNER.encode(placed)) == placed


def test_a_token_is_safe_in_a_url() -> None:
    token = SIGNER.encode(placement(1))
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    assert len(token) < 300


def test_a_change_of_any_single_character_is_noticed() -> None:
    token = SIGNER.encode(placement(1))
    for at in range(len(token)):
        other = "A" if token[at] != "A" else "B"
        assert fault(token[:at] + other + token[at + 1 :]) in (Fault.FORGED, Fault.MALFORMED)


def test_a_price_rewritten_in_the_token_is_forged() -> None:
    token = SIGNER.encode(placement(1, price=1_000_000))
    raw = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    at = raw.index((1_000_000).to_bytes(8, "big"))
    raw[at : at + 8] = (1).to_bytes(8, "big")
    assert fault(base64.urlsafe_b64encode(raw).rstrip(b"=").decode()) is Fault.FORGED


def test_another_key_is_forged() -> None:
    assert fault(TokenSigner(b"another key of thirty-two bytes.").encode(placement(1))) is Fault.FORGED


def test_a_key_is_changed_without_losing_tokens_in_flight() -> None:
    old = SIGNER.encode(placement(1))
    both = TokenSigner([b"the new key, also long enough...", KEY])
    assert both.decode(old, NOW).placement_id == "p1"
    assert fault(both.encode(placement(2))) is Fault.FORGED, "the old key alone knows nothing of the new"


def test_a_token_expires_after_its_last_instant() -> None:
    token = SIGNER.encode(placement(1, life_s=60))
    assert SIGNER.decode(token, NOW + 60).placement_id == "p1"
    assert fault(token, now=NOW + 60.001) is Fault.EXPIRED
    assert SIGNER.decode(token).placement_id == "p1", "without a time, time is not checked"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "====",
        "not a token",
        "é" * 80,
        "A" * 40,
        "A" * (MAX_TOKEN_CHARS + 1),
        "A" * 200 + "\n",
        "\x00" * 90,
    ],
)
def test_what_is_no_token_is_malformed(text: str) -> None:
    assert fault(text) in (Fault.MALFORMED, Fault.FORGED)


@given(st.text(max_size=400))
def test_no_text_whatever_breaks_the_reader(text: str) -> None:
    with pytest.raises(TokenError):
        SIGNER.decode(text, NOW)


@given(st.binary(max_size=400))
def test_no_bytes_whatever_break_the_reader(raw: bytes) -> None:
    with pytest.raises(TokenError):
        SIGNER.decode(base64.urlsafe_b64encode(raw).rstrip(b"=").decode(), NOW)


def test_one_placement_has_one_spelling() -> None:
    placed = next(
        each for each in (placement("x" * n) for n in range(1, 4)) if len(SIGNER.encode(each)) % 4 in (2, 3)
    )
    token = SIGNER.encode(placed)
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".index(token[-1])
    stray = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[last ^ 1]
    assert fault(token[:-1] + stray) is Fault.MALFORMED
    assert fault(token + "=") is Fault.MALFORMED


def test_a_token_of_another_version_is_malformed() -> None:
    raw = bytearray(base64.urlsafe_b64decode(SIGNER.encode(placement(1)) + "=="))
    raw[0] = 2
    assert fault(base64.urlsafe_b64encode(raw).rstrip(b"=").decode()) is Fault.MALFORMED


@pytest.mark.parametrize(
    "change",
    [
        {"placement_id": ""},
        {"price_micros": -1},
        {"price_micros": 2**63},
        {"ad_id": 2**63},
        {"expires_at": float("nan")},
        {"destination": "x" * 5000},
        {"destination": "x" * 70_000},
    ],
)
def test_a_placement_that_does_not_fit_is_refused_when_signing(change: dict[str, object]) -> None:
    with pytest.raises(TokenError):
        SIGNER.encode(dataclasses.replace(placement(1), **change))  # type: ignore[arg-type]


@pytest.mark.parametrize("keys", [b"short", [], [KEY, b"short"]])
def test_weak_keys_are_refused(keys: bytes | list[bytes]) -> None:
    with pytest.raises(ValueError, match="keys"):
        TokenSigner(keys)
