"""Errors as callers see them."""

import pytest
from pydantic import ValidationError

from adsrank.request import AdRequest
from serving.problem import MAX_ERRORS, MAX_TEXT, Refusal, field_path, invalid


def refusal_of(body: str) -> Refusal:
    with pytest.raises(ValidationError) as caught:
        AdRequest.model_validate_json(body)
    return invalid(caught.value)


def test_what_is_not_json_is_a_400_and_what_is_not_valid_a_422() -> None:
    assert (refusal_of("{").status, refusal_of("{").code) == (400, "invalid_json")
    assert (refusal_of("{}").status, refusal_of("{}").code) == (422, "invalid_request")


def test_a_refused_field_has_its_path_value_and_fix() -> None:
    refusal = refusal_of('{"request_id":"r","user_id":"u","organic":[{"id":"a"},{"id":"b","utility":-2}]}')
    (error,) = refusal.errors
    assert error.path == "organic[1].utility"
    assert error.value == "-2"
    assert "greater than or equal to 0" in error.fix


def test_a_missing_field_says_add_it() -> None:
    errors = {error.path: error for error in refusal_of("{}").errors}
    assert errors["request_id"].fix == "add this field"
    assert errors["request_id"].value is None


def test_a_rule_over_several_fields_names_its_field() -> None:
    refusal = refusal_of('{"request_id":"r","user_id":"u","organic":[{"id":"a"},{"id":"a"}]}')
    (error,) = refusal.errors
    assert error.path == "organic"
    assert error.message == "id 'a' stands twice; each item once"
    assert error.fix == "each item once"


def test_nothing_huge_is_echoed() -> None:
    refusal = refusal_of(f'{{"request_id":"{"x" * 100_000}","user_id":"u"}}')
    assert all(
        len(text or "") <= MAX_TEXT for error in refusal.errors for text in error.model_dump().values()
    )
    assert len(refusal.problem().model_dump_json()) < 2000


def test_of_many_errors_the_first_are_shown_and_all_are_counted() -> None:
    items = ",".join(f'{{"id":"{number}","utility":"x"}}' for number in range(1000))
    refusal = refusal_of(f'{{"request_id":"r","user_id":"u","organic":[{items}]}}')
    assert len(refusal.errors) == MAX_ERRORS
    assert refusal.detail == f"1000 fields refused, the first {MAX_ERRORS} shown"


def test_nesting_too_deep_is_refused_as_not_readable() -> None:
    assert refusal_of('{"request_id":' + "[" * 100_000).code == "invalid_json"


@pytest.mark.parametrize(
    ("location", "path"),
    [((), ""), (("a",), "a"), (("organic", 3, "utility"), "organic[3].utility"), ((0, "x"), "[0].x")],
)
def test_paths_read_as_they_are_written(location: tuple[int | str, ...], path: str) -> None:
    assert field_path(location) == path
