"""Requests are untrusted: refused with the field's path, or tolerated and counted."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import ValidationError

from adsrank.request import MAX_ORGANIC, AdRequest
from auction.billable import Grade


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
