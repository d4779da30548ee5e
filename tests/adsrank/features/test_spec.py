import pytest
import yaml
from pydantic import ValidationError

from adsrank.errors import InputError
from adsrank.features.examples import LABELS, MORE_LABELS, PLACE
from adsrank.features.spec import KNOWN_BEFORE_SHOWING, FeatureSpec

AD_ROW = {"name": "ad", "source": "ad_id", "type": "integer", "transform": "vocabulary", "group": "ad"}


def spec(**changes):
    return FeatureSpec.model_validate({"features": [{**AD_ROW, **changes}]})


def test_the_default_table_reads_only_what_is_known_before_an_ad_is_shown():
    table = FeatureSpec.default()
    assert len(table.features) >= 15
    assert {name for row in table.features for name in row.sources} <= KNOWN_BEFORE_SHOWING


@pytest.mark.parametrize(
    "source", [field.name for field in (*LABELS, *MORE_LABELS, *PLACE)] + ["request_id", "time"]
)
def test_no_label_or_place_is_reachable_as_a_feature(source):
    with pytest.raises(ValidationError, match="not known before an ad is shown"):
        spec(source=source)
    with pytest.raises(ValidationError, match="not known before an ad is shown"):
        FeatureSpec.model_validate({"features": [{**AD_ROW, "source": source}], "extra_sources": [source]})
    share = {"type": "list", "transform": "share", "group": "match", "source": "user_interests"}
    with pytest.raises(ValidationError, match="not known before an ad is shown"):
        spec(**share, other=source)


def test_a_source_outside_the_schema_needs_a_declaration():
    with pytest.raises(ValidationError, match="unknown source 'clicks_today'"):
        spec(source="clicks_today")
    declared = {"features": [{**AD_ROW, "source": "shop_id"}], "extra_sources": ["shop_id"]}
    assert FeatureSpec.model_validate(declared).features[0].source == "shop_id"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"type": "number"}, "vocabulary takes integer, string, not number"),
        ({"transform": "multi_hot"}, "multi_hot takes list"),
        ({"cheap": True}, "only numbers can be cheap"),
        ({"other": "ad_interest"}, "goes with share"),
        ({"min_cuont": 3}, "did you mean 'min_count'"),
        ({"group": "request"}, "none tells one ad from another"),
        ({"name": "Ad Id"}, "pattern"),
        ({"transform": "cross"}, "`other` goes with share, cross, cross_hash; those need it"),
        ({"transform": "cross", "other": "ad_id"}, "a source stands twice"),
        ({"other_type": "string"}, "`other_type` goes with a cross"),
        ({"also": {"hour": "hour"}}, "`also` goes with sequence"),
        ({"size": 4}, "`size` goes with embedding"),
        ({"transform": "embedding", "type": "vector"}, "`size` goes with embedding; those need it"),
        ({"transform": "sequence", "type": "list"}, "`age` goes with sequence; those need it"),
        ({"transform": "sequence", "type": "list", "age": "hour"}, "its group is request"),
    ],
)
def test_a_row_that_makes_no_sense_is_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        spec(**changes)


def test_rows_of_one_table_must_agree_on_their_vocabulary():
    rows = [{**AD_ROW, "table": "t"}, {**AD_ROW, "name": "other", "table": "t", "min_count": 9}]
    with pytest.raises(ValidationError, match="rows of one table must agree"):
        FeatureSpec.model_validate({"features": rows})


def test_a_name_stands_once():
    with pytest.raises(ValidationError, match="stands twice"):
        FeatureSpec.model_validate({"features": [AD_ROW, AD_ROW]})


def test_the_hash_changes_with_any_row_and_with_nothing_else():
    assert spec().hash == spec().hash
    assert spec().hash != spec(min_count=3).hash


def test_a_table_without_the_later_transforms_hashes_as_before_there_were_any():
    """Bundles of the first release name the hash of their table: it must stay what it was."""
    share = {
        "name": "share", "source": "user_interests", "other": "ad_interest", "type": "list",
        "transform": "share", "group": "match",
    }  # fmt: skip
    assert FeatureSpec.model_validate({"features": [AD_ROW, share]}).hash == "dafa5da673e31f6e"


def test_a_sequence_has_at_most_a_hundred_actions():
    row = {
        "name": "actions", "source": "user_interests", "type": "list", "transform": "sequence",
        "group": "request", "age": "hour", "max_length": 101,
    }  # fmt: skip
    with pytest.raises(ValidationError, match="at most 100 actions"):
        FeatureSpec.model_validate({"features": [AD_ROW, row]})


def test_a_yaml_file_is_read_and_its_mistakes_are_named(tmp_path):
    good = tmp_path / "good.yaml"
    good.write_text(yaml.safe_dump(FeatureSpec.default().model_dump(mode="json")))
    assert FeatureSpec.load(good).hash == FeatureSpec.default().hash
    bad = tmp_path / "bad.yaml"
    bad.write_text(yaml.safe_dump({"features": [{**AD_ROW, "sorce": "x"}]}))
    with pytest.raises(InputError, match=r"bad\.yaml.*features.*did you mean 'source'"):
        FeatureSpec.load(bad)
