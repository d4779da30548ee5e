import json

import numpy as np
import pyarrow as pa
import pytest

from adsrank.errors import InputError
from adsrank.features.candidate import SERVED, check_served
from adsrank.features.spec import FeatureSpec
from adsrank.features.summary import summaries
from adsrank.features.transform import CompiledTransform

ROWS = [
    {"name": "ad", "source": "ad_id", "type": "integer", "transform": "vocabulary", "group": "ad",
     "min_count": 3},
    {"name": "user", "source": "user_id", "type": "string", "transform": "hash", "group": "request",
     "buckets": 500},
    {"name": "similarity", "source": "similarity", "type": "number", "transform": "buckets",
     "group": "match", "buckets": 4},
]  # fmt: skip


@pytest.fixture(scope="module")
def fitted():
    table = pa.table(
        {
            "ad_id": [1] * 900 + [2] * 98 + [3, 4],
            "user_id": [f"u{number}" for number in range(1000)],
            "similarity": np.linspace(0, 1, 1000),
        }
    )
    return CompiledTransform.fit(table, FeatureSpec.model_validate({"features": ROWS}))


def test_each_table_says_what_became_of_its_values(fitted):
    ad, user, similarity = summaries(fitted)
    assert (ad.table, ad.kind, ad.rows, ad.distinct) == ("ad", "vocabulary", 4, 4)
    assert ad.own == pytest.approx(0.998)
    assert ad.collisions is None
    assert (user.kind, user.rows, user.distinct) == ("hash", 501, 1000)
    assert user.collisions == fitted.encoders_["user"].collisions_
    assert user.collisions == pytest.approx(user.expected_collisions, rel=0.05)
    ids, counts = np.unique(
        fitted.apply(pa.table({"ad_id": [1] * 1000, "user_id": [f"u{n}" for n in range(1000)],
                               "similarity": np.zeros(1000)})).request.ids[:, 0], return_counts=True
    )  # fmt: skip
    assert user.own == (counts == 1).sum() / 1000
    assert user.collisions == 1000 - len(ids)
    assert (similarity.kind, similarity.features) == ("quantiles", ("similarity",))


def test_of_later_rows_it_tells_what_is_missing_and_what_training_never_met(fitted):
    later = pa.table(
        {
            "ad_id": [1, 1, 2, 99, 3, None, None, None],
            "user_id": ["u1", None, "new", "new", "u2", "u3", "u4", "u5"],
            "similarity": [None] * 8,
        },
        pa.schema({"ad_id": pa.int64(), "user_id": pa.string(), "similarity": pa.float64()}),
    )
    ad, user, similarity = summaries(fitted, fitted.apply(later))
    assert (ad.missing, ad.unseen) == (3 / 8, 2 / 5)  # 3 was too rare for an id
    assert (user.missing, user.unseen) == (1 / 8, None)
    assert (similarity.missing, similarity.unseen) == (1.0, None)
    alone = summaries(fitted)
    assert all(each.missing is None and each.unseen is None for each in alone)
    assert [each.own for each in alone] == [ad.own, user.own, similarity.own]


def test_a_shared_table_counts_every_element_that_is_looked_up_in_it():
    rows = [
        {"name": "recent", "source": "recent_interests", "type": "list", "transform": "multi_hot",
         "group": "request", "table": "interest", "min_count": 1, "max_length": 4},
        {"name": "ad_interest", "source": "ad_interest", "type": "integer", "transform": "vocabulary",
         "group": "ad", "table": "interest", "min_count": 1},
    ]  # fmt: skip
    known = pa.table({"recent_interests": [[5, 6], [6]], "ad_interest": [5, 6]})
    fitted = CompiledTransform.fit(known, FeatureSpec.model_validate({"features": rows}))
    one_request = {"recent_interests": np.array([5, 8]), "ad_interest": np.array([5, 7, 6])}
    (table,) = summaries(fitted, fitted.apply(one_request))
    assert (table.missing, table.unseen) == (0.0, (3 + 1) / 9)
    nothing = {"recent_interests": np.array([], np.int64), "ad_interest": np.array([5, 7, 6])}
    (table,) = summaries(fitted, fitted.apply(nothing))
    assert (table.missing, table.unseen) == (3 / 6, 1 / 3)


def test_a_transform_of_the_first_release_has_no_counts(fitted):
    old = json.loads(json.dumps(fitted.to_json())) | {"version": 1}
    for encoder in old["encoders"].values():
        del encoder["seen"]
    ad, user, _ = summaries(CompiledTransform.from_json(old))
    assert (ad.distinct, ad.own) == (None, None)
    assert (user.collisions, user.expected_collisions) == (fitted.encoders_["user"].collisions_, None)


def test_a_feature_that_serving_does_not_make_is_refused_before_it_serves():
    check_served(SERVED)
    with pytest.raises(InputError, match="weather") as refused:
        check_served(["ad_id", "weather"])
    assert refused.value.field == "features: weather"
