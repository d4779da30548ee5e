import json

import numpy as np
import pyarrow as pa
import pytest

from adsrank.errors import InputError
from adsrank.features.spec import FeatureSpec
from adsrank.features.summary import summaries
from adsrank.features.transform import CompiledTransform


def spec(transform, **more):
    row = {
        "name": "pair", "source": "surface", "other": "ad_interest", "type": "string",
        "other_type": "integer", "transform": transform, "group": "match", "min_count": 1, **more,
    }  # fmt: skip
    return FeatureSpec.model_validate({"features": [row]})


TABLE = pa.table(
    {
        "surface": ["home", "home", "search", "search", None, "home"],
        "ad_interest": pa.array([1, 2, 1, 2, 1, None], pa.int32()),
    }
)


@pytest.mark.parametrize("changes", [{"transform": "cross"}, {"transform": "cross_hash", "buckets": 1000}])
def test_a_pair_has_an_id_of_its_own_and_is_missing_where_either_is(changes):
    fitted = CompiledTransform.fit(TABLE, spec(**changes))
    ids = fitted.apply(TABLE).ad.ids[:, 0] - fitted.starts_["pair"]
    assert len(set(ids[:4].tolist())) == 4
    assert (ids[:4] > 0).all()
    assert ids[4:].tolist() == [0, 0]


@pytest.mark.parametrize("changes", [{"transform": "cross"}, {"transform": "cross_hash", "buckets": 1000}])
def test_a_request_and_its_candidates_cross_as_their_rows_do(changes):
    fitted = CompiledTransform.fit(TABLE, spec(**changes))
    online = fitted.apply({"surface": "search", "ad_interest": np.array([2, 1, 7])}).ad.ids[:, 0]
    offline = fitted.apply(pa.table({"surface": ["search"] * 3, "ad_interest": [2, 1, 7]})).ad.ids[:, 0]
    assert online.tolist() == offline.tolist()
    again = CompiledTransform.from_json(json.loads(json.dumps(fitted.to_json())))
    assert again.apply(TABLE).ad.ids.tolist() == fitted.apply(TABLE).ad.ids.tolist()


def test_a_vocabulary_of_pairs_knows_the_frequent_ones_only():
    rows = pa.table({"surface": ["home", "home", "search"], "ad_interest": [1, 1, 1]})
    fitted = CompiledTransform.fit(rows, spec("cross", min_count=2))
    assert (fitted.apply(rows).ad.ids[:, 0] - fitted.starts_["pair"]).tolist() == [2, 2, 1]
    assert fitted.encoders_["pair"].seen_.distinct == 2
    assert fitted.encoders_["pair"].seen_.own == 2


def test_the_order_of_the_two_counts():
    both = {"transform": "cross", "type": "integer", "group": "match", "min_count": 1}
    rows = [
        {"name": "one", "source": "hour", "other": "weekday", **both},
        {"name": "two", "source": "weekday", "other": "hour", **both},
    ]
    table = pa.table({"hour": [1, 2, 3], "weekday": [2, 1, 3]})
    fitted = CompiledTransform.fit(table, FeatureSpec.model_validate({"features": rows}))
    first, second = fitted.encoders_["one"].values_, fitted.encoders_["two"].values_
    assert len(set(first.tolist()) & set(second.tolist())) == 2 + 1  # (1,2), (2,1) and (3,3)
    assert len(set(first.tolist())) == 3


def test_hashed_pairs_count_their_collisions():
    table = pa.table({"surface": ["home"] * 300, "ad_interest": np.arange(300)})
    fitted = CompiledTransform.fit(table, spec("cross_hash", buckets=16))
    assert {each.table: each.collisions for each in summaries(fitted)} == {"pair": 300 - 16}


def test_columns_of_other_lengths_are_refused():
    fitted = CompiledTransform.fit(TABLE, spec("cross"))
    with pytest.raises(InputError, match="give 2 values") as refused:
        fitted.apply({"surface": np.array(["home", "search"]), "ad_interest": np.arange(3)})
    assert refused.value.field == "ad_interest"
