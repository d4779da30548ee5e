"""Requests are untrusted: refused with the field's path, or tolerated and counted."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from adsrank.request import MAX_ORGANIC, AdRequest, HeldAs
from auction.billable import Grade
from auction.feed import ADS_LIMIT
from auction.grid import KEPT_LIMIT
from auction.hold import Hold
from auction.policy import MAX_ADS, MAX_POSITIONS, Exposure, FeedRules


def request(**changes):
    return AdRequest.model_validate({"request_id": "r1", "user_id": 7, "organic": [{"id": "a"}], **changes})


def where(error) -> list[tuple]:
    return [each["loc"] for each in error.value.errors()]


def test_integer_ids_become_strings_and_floats_are_refused():
    assert request(user_id=2**60 + 1).user_id == str(2**60 + 1)
    with pytest.raises(ValidationError) as error:
        request(user_id=1.5)
    assert where(error) == [("user_id",)]


def test_unknown_fields_are_tolerated_and_kept_apart():
    found = request(colour="red", organic=[{"id": "a", "shape": 1}])
    assert found.model_extra == {"colour": "red"}
    assert found.organic[0].model_extra == {"shape": 1}


@pytest.mark.parametrize("value", ["nan", "inf", float("nan"), float("-inf")])
def test_an_embedding_that_is_not_finite_is_refused_with_its_place(value):
    with pytest.raises(ValidationError) as error:
        request(intents=[{"embedding": [1.0, value]}])
    assert where(error) == [("intents", 0, "embedding", 1)]


def test_intents_of_different_lengths_are_refused():
    with pytest.raises(ValidationError, match="different lengths"):
        request(intents=[{"embedding": [1.0]}, {"embedding": [1.0, 2.0]}])


def test_ten_thousand_organic_items_are_refused_by_length():
    with pytest.raises(ValidationError) as error:
        request(organic=[{"id": str(n)} for n in range(10_000)])
    assert where(error) == [("organic",)]
    assert len(request(organic=[{"id": str(n)} for n in range(MAX_ORGANIC)]).organic) == MAX_ORGANIC


def test_an_organic_id_that_stands_twice_is_refused_by_name():
    with pytest.raises(ValidationError, match="'a' stands twice"):
        request(organic=[{"id": "a"}, {"id": "a"}])


@pytest.mark.parametrize(
    ("given", "grade"), [("high", Grade.HIGH), ("LOW", Grade.LOW), (None, Grade.MEDIUM), (2, Grade.HIGH)]
)
def test_grades_have_names_and_the_unlabelled_are_medium(given, grade):
    assert request(organic=[{"id": "a", "grade": given}]).organic[0].grade is grade
    assert request().organic[0].grade is Grade.MEDIUM


def test_times_are_utc_inside():
    zone = timezone(timedelta(hours=-8))
    assert request(time=datetime(2026, 3, 1, 4, tzinfo=zone)).time == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert request(time="2026-03-01T12:00:00").time == datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_the_seed_is_of_the_request_id_alone():
    assert request(country="FR").seed == request(country="US").seed != request(request_id="r2").seed
    assert request(request_id="demo").seed == 10156756701622246432


@pytest.mark.parametrize(
    "time",
    [
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "1969-12-31T00:00:00Z",
        "2100-01-01T00:00:00Z",
    ],
)
def test_a_time_off_the_calendar_is_refused_by_name(time):
    with pytest.raises(ValidationError, match="from 1970 to 2099") as error:
        request(time=time)
    assert where(error) == [("time",)]


def test_held_positions_are_codes_in_the_order_of_the_page():
    held = [
        {"position": 4, "hold": "module"},
        {"position": 1, "hold": "no_ad"},
        {"position": 2, "hold": "for_ad"},
    ]
    found = request(organic=[{"id": str(n)} for n in range(5)], held=held)
    assert found.hold(3).tolist() == [Hold.NO_AD, Hold.FOR_AD, Hold.OPEN, Hold.MODULE]
    assert found.modules == {4}
    assert request().hold(3) is None
    assert AdRequest.model_validate_json(found.model_dump_json()) == found


@pytest.mark.parametrize(
    ("held", "place"),
    [
        ([{"position": 0, "hold": "no_ad"}], ("held", 0, "position")),
        ([{"position": 257, "hold": "no_ad"}], ("held", 0, "position")),
        ([{"position": 2.0, "hold": "no_ad"}], ("held", 0, "position")),
        ([{"position": True, "hold": "no_ad"}], ("held", 0, "position")),
        ([{"position": 1, "hold": "open"}], ("held", 0, "hold")),
        ([{"position": 1, "hold": 3}], ("held", 0, "hold")),
        ([{"position": 1}], ("held", 0, "hold")),
        ([{"position": n, "hold": "no_ad"} for n in (1, 2, 1)], ("held", 2, "position")),
        ([{"position": 34, "hold": "no_ad"}], ("held", 0, "position")),
        ([{"position": n, "hold": "for_ad"} for n in range(1, 34)], ("held", 32, "hold")),
        (None, ("held",)),
    ],
    ids=str,
)
def test_a_hold_that_cannot_be_is_refused_with_its_place(held, place):
    with pytest.raises(ValidationError) as error:
        request(held=held)
    assert where(error) == [place]


def test_a_position_is_reachable_by_organic_items_modules_and_as_many_ads_as_any_policy_allows():
    module = {"position": 1, "hold": "module"}
    assert len(request(held=[module, {"position": 34, "hold": "no_ad"}]).held) == 2
    with pytest.raises(ValidationError, match="up to 34"):
        request(held=[module, {"position": 35, "hold": "no_ad"}])


def test_the_limits_are_those_of_the_auction():
    assert MAX_ADS == KEPT_LIMIT == ADS_LIMIT == FeedRules(max_ads=MAX_ADS).max_ads
    with pytest.raises(ValidationError):
        FeedRules(max_ads=MAX_ADS + 1)
    assert len(Exposure(examination=[1.0] * MAX_POSITIONS).examination) == MAX_POSITIONS
    with pytest.raises(ValidationError):
        Exposure(examination=[1.0] * (MAX_POSITIONS + 1))


@settings(deadline=None)
@given(
    organics=st.integers(0, 12),
    max_ads=st.integers(0, 8),
    held=st.dictionaries(st.integers(1, 44), st.sampled_from(list(HeldAs)), max_size=20),
)
def test_exactly_what_the_page_can_reach_is_held(organics, max_ads, held):
    asked = request(organic=[{"id": str(n)} for n in range(organics)])
    entries = [{"position": position, "hold": name} for position, name in held.items()]
    modules = sum(name is HeldAs.MODULE for name in held.values())
    if any(position > organics + modules + MAX_ADS for position in held):
        return  # refused at the door
    hold = request(organic=asked.model_dump()["organic"], held=entries).hold(max_ads)
    # By its meaning: a position is reached if the positions before it can all be filled.
    reached, fill, position = {}, organics + max_ads, 1
    while True:
        if held.get(position) is HeldAs.MODULE:
            fill += 1
        if position > fill:
            break
        reached[position] = held.get(position)
        position += 1
    wanted = [0 if name is None else Hold[name.name] for name in reached.values()]
    while wanted and wanted[-1] == 0:
        wanted.pop()
    assert (hold is None) == (not wanted)
    if hold is not None:
        assert hold.tolist() == wanted
        assert len(hold) <= organics + int((hold == Hold.MODULE).sum()) + max_ads
