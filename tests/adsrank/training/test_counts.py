import numpy as np
import pyarrow as pa
import pytest

from adsrank.features.spec import FeatureRow
from adsrank.features.vocabulary import IntegerVocabulary, StringVocabulary
from adsrank.training.counts import Counts, counted

NUMBER = FeatureRow(
    name="n",
    source="n",
    type="integer",
    transform="vocabulary",
    group="ad",
    table="t",
    min_count=2,
    max_size=40,
)
LIST = FeatureRow(
    name="l", source="l", type="list", transform="multi_hot", group="ad", table="t", min_count=2, max_size=40
)
WORD = FeatureRow(
    name="w", source="w", type="string", transform="vocabulary", group="ad", min_count=3, max_size=5
)


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    return pa.table(
        {
            "n": pa.array([None if value == 3 else int(value) for value in rng.geometric(0.05, 2000)]),
            "l": [rng.geometric(0.1, number % 4).tolist() for number in range(2000)],
            "w": [
                None if number % 11 == 0 else f"w{value}"
                for number, value in enumerate(rng.geometric(0.3, 2000))
            ],
        }
    )


@pytest.mark.parametrize("size", [1, 77, 2000])
def test_any_chunks_count_as_the_whole_does(table, size):
    shared, words = Counts([(NUMBER, "n"), (LIST, "l")]), Counts([(WORD, "w")])
    for start in range(0, len(table), size):
        for counts in (shared, words):
            counts.add(table.slice(start, size).combine_chunks())
    values = np.concatenate([table["n"].drop_null().to_numpy(), np.concatenate(table["l"].to_pylist())])
    expected = IntegerVocabulary.fit(values.astype(np.int64), 2, 40)
    assert shared.encoder().to_json() == expected.to_json()
    plain = StringVocabulary.fit(table["w"].combine_chunks(), 3, 5)
    assert words.encoder().to_json() == plain.to_json()
    assert shared.dropped == words.dropped == 0


def test_long_words_and_words_that_end_in_nul_count_alike_in_a_chunk_and_in_a_whole(few_words):
    counts = Counts([(WORD, "w")])
    for start in range(0, len(few_words), 7):
        counts.add(few_words.slice(start, 7))
    plain = StringVocabulary.fit(few_words["w"].combine_chunks(), 3, 5)
    assert counts.encoder().to_json() == plain.to_json()
    assert plain.values_ == ["a", "a\0", "\U0001f600"]  # 1,025 letters are any other: no bundle keeps them
    assert plain.apply(pa.array(["x" * 1025, "a\0"])).tolist() == [1, 3]


@pytest.fixture
def few_words():
    return pa.table({"w": ["a", "a\0", "x" * 1025, "\U0001f600"] * 9})


def test_past_its_room_the_frequent_are_kept():
    """3,000 ids met once or twice in between do not push out the 5 that come again and again."""
    row = NUMBER.model_copy(update={"max_size": 5})
    counts = Counts([(row, "n")])
    rng = np.random.default_rng(0)
    for chunk in range(30):
        rare = 1000 + 100 * chunk + np.arange(100)
        values = rng.permutation(np.concatenate([np.repeat(np.arange(5), 20 - np.arange(5)), rare]))
        counts.add(pa.table({"n": values}))
    assert counts.dropped > 0
    assert counts.encoder().to_json()["values"] == [0, 1, 2, 3, 4]


def test_a_table_that_something_else_shares_is_left_to_the_sample():
    hashed = FeatureRow(name="h", source="n", type="integer", transform="hash", group="ad", buckets=8)
    assert set(counted([NUMBER, LIST, WORD, hashed])) == {"t", "w"}
