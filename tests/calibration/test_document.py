"""A calibrator's JSON is read as if an enemy had written it."""

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibration import (
    CalibrationError,
    Calibrator,
    Chain,
    DriftCorrector,
    IsotonicCalibrator,
    PlattCalibrator,
    SegmentCalibrator,
    from_json,
)


def isotonic() -> dict:
    fitted = IsotonicCalibrator(min_information=1.0).fit(
        [0.1] * 50 + [0.4] * 50, [0, 0, 0, 0, 1] * 10 + [0, 1] * 25
    )
    assert len(fitted.knots_) == 2
    return fitted.to_json()


def segment() -> dict:
    return SegmentCalibrator("ad").fit([0.1, 0.2], [0, 1], segment={"ad": ["a", "b"]}).to_json()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("kind", "no_such"),
        ("kind", 7),
        ("kind", None),
        ("version", 2),
        ("version", "1"),
        ("version", True),
        ("params", []),
        ("state", None),
        ("params.min_information", -1.0),
        ("params.min_information", "many"),
        ("params.prior_count", float("nan")),
        ("state.knots", [float("nan"), 1.0]),
        ("state.knots", [1.0, 0.5]),
        ("state.knots", [1.0, 1.0]),
        ("state.knots", [1.0, 1.0 + 1e-12]),
        ("state.knots", []),
        ("state.knots", {"0": 1.0}),
        ("state.knots", [0.0]),
        ("state.knots", [0.0] * 1_000_001),
        ("state.values", [0.0, float("inf")]),
        ("state.values", [0.0, -1.0]),
        ("state.values", [0.0, 1e-9]),
        ("state.values", [0.0, 10**400]),
        ("state.values", [False, True]),
        ("state.slope_low", 0.0),
        ("state.slope_high", -1.0),
        ("state.slope_high", 1e9),
    ],
)
def test_a_hostile_value_is_refused_by_its_field(path, value):
    document = isotonic()
    *parents, name = path.split(".")
    target = document
    for parent in parents:
        target = target[parent]
    target[name] = value
    with pytest.raises(CalibrationError) as caught:
        from_json(document, file="calibrator.json")
    blamed = caught.value.field
    assert blamed.startswith(path) or (path == "state.knots" and blamed.startswith("state.values"))
    assert str(caught.value).startswith("calibrator.json: ")
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("path", ["kind", "version", "params", "state", "params.prior_count", "state.values"])
def test_a_missing_field_is_named(path):
    document = isotonic()
    *parents, name = path.split(".")
    target = document
    for parent in parents:
        target = target[parent]
    del target[name]
    with pytest.raises(CalibrationError, match="required") as caught:
        from_json(document)
    assert caught.value.field == path


@pytest.mark.parametrize("path", ["extra", "params.extra", "state.extra"])
def test_an_unknown_field_is_refused(path):
    document = isotonic()
    *parents, name = path.split(".")
    target = document
    for parent in parents:
        target = target[parent]
    target[name] = 1
    with pytest.raises(CalibrationError, match="no such field") as caught:
        from_json(document)
    assert caught.value.field == path


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "nope",
        '{"kind": "platt", "kind": "beta"}',
        b"\xff\xfe\x00",
        "[" * 100_000,
        '{"kind":' * 50_000,
        "1" * 10_000,
        '{"kind": NaN}',
    ],
    ids=range(9),
)
def test_text_that_is_no_document_is_refused(text):
    with pytest.raises(CalibrationError):
        from_json(text)


def test_text_too_large_is_refused_before_it_is_read():
    with pytest.raises(CalibrationError, match="bytes"):
        from_json(" " * (64 * 2**20 + 1))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ids", ["a", "a"]),
        ("ids", ["a", 1]),
        ("ids", [1.0, 2.0]),
        ("ids", [True, False]),
        ("ids", [2**63, 1]),
        ("ids", ["x" * 300, "a"]),
        ("shifts", [0.0]),
        ("shifts", [0.0, 1e6]),
        ("variance", -1.0),
        ("overall", None),
    ],
)
def test_a_hostile_segment_table_is_refused(name, value):
    document = segment()
    document["state"][name] = value
    with pytest.raises(CalibrationError) as caught:
        from_json(document)
    assert caught.value.field.startswith(f"state.{name}")


def test_a_drift_factor_beyond_its_bound_is_refused():
    document = DriftCorrector(max_factor=2.0).to_json()
    document["state"]["log_factor"] = 5.0
    with pytest.raises(CalibrationError, match=r"state\.log_factor"):
        from_json(document)


def test_a_bad_step_of_a_chain_is_named_by_its_place():
    document = Chain([PlattCalibrator(), PlattCalibrator()]).fit([0.1, 0.2], [0, 1]).to_json()
    document["state"]["steps"][1]["state"]["slope"] = -1.0
    with pytest.raises(CalibrationError) as caught:
        from_json(document)
    assert caught.value.field == "state.steps[1].state.slope"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(data=st.data(), junk=JSON)
def test_any_value_anywhere_is_read_or_refused_but_never_crashes(data, junk):
    document = copy.deepcopy(data.draw(st.sampled_from([isotonic(), segment(), CHAIN])))
    target = document
    while True:
        key = data.draw(st.sampled_from(sorted(target) if isinstance(target, dict) else range(len(target))))
        inner = target[key]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.booleans()):
            break
        target = inner
    target[key] = junk
    try:
        made = from_json(document)
    except CalibrationError:
        return
    assert isinstance(made, Calibrator)
    low, high = made.transform([0.1, 0.3])
    assert 0.0 < low < high < 1.0


CHAIN = Chain([PlattCalibrator(), DriftCorrector()]).fit([0.1, 0.2], [0, 1]).to_json()


def test_the_document_is_plain_json_whatever_the_parser():
    text = json.dumps(isotonic(), allow_nan=False)
    assert (
        from_json(text).to_json()
        == from_json(text.encode()).to_json()
        == from_json(json.loads(text)).to_json()
    )
