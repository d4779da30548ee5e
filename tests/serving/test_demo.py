"""What the demo serves and sends, without the demo."""

from pathlib import Path

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from adsrank.request import AdRequest, HeldAs
from auction.policy import AuctionPolicy
from serving.demo.holds import with_holds
from serving.demo.policy import DEMO_POLICY

POLICY = Path(__file__).resolve().parents[2] / "configs" / "policy.yaml"


def test_the_commented_policy_is_the_demo_s_and_names_every_key() -> None:
    assert AuctionPolicy.load(POLICY) == DEMO_POLICY
    written = yaml.safe_load(POLICY.read_text())
    assert set(written) == set(AuctionPolicy.model_fields)
    for name in ("rules", "reserve", "squash", "quality"):
        assert set(written[name]) == set(type(getattr(DEMO_POLICY, name)).model_fields), name


def a_request(request_id: str, organics: int) -> AdRequest:
    return AdRequest.model_validate(
        {"request_id": request_id, "user_id": "u", "organic": [{"id": str(n)} for n in range(organics)]}
    )


@settings(deadline=None)
@given(st.text("abc0123456789-", min_size=1, max_size=20), st.integers(0, 60))
def test_held_requests_pass_the_door_and_hold_one_position_of_each_kind(
    request_id: str, organics: int
) -> None:
    request = with_holds(a_request(request_id, organics), 1.0)
    assert AdRequest.model_validate_json(request.model_dump_json()) == request
    if organics < 20:
        assert request.held == []
    else:
        assert {each.hold for each in request.held} == set(HeldAs)
        assert max(each.position for each in request.held) <= 20


def test_about_the_share_asked_for_is_held_and_none_at_zero() -> None:
    requests = [a_request(f"r-{n}", 30) for n in range(2_000)]
    assert sum(bool(with_holds(request, 0.05).held) for request in requests) in range(65, 140)
    assert not any(with_holds(request, 0.0).held for request in requests)
