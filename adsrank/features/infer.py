"""From a table that nobody has described to a feature table that somebody can edit."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import yaml
from pydantic import ValidationError

from adsrank.errors import InputError
from adsrank.features import examples
from adsrank.features.profile import SKETCH, Kind, Profile
from adsrank.features.spec import KNOWN_BEFORE_SHOWING, MAX_SEQUENCE, NEVER_FEATURES, FeatureSpec

VOCABULARY = 100_000
"""Distinct values up to which each gets an id of its own; beyond, they are hashed."""
FEW = 50
"""Distinct integers up to which they are taken for categories, whatever else they look like."""
ROW_ID_SHARE = 0.95
"""Distinct values a known row from which a column names the row."""
LONG_TAIL = 2.0
"""Skew from which a number is squashed."""
LABELS = frozenset({"label", "y", "target", "clk", "nonclk", "clicked", "is_click", "converted", "purchase",
                    "is_attributed"})  # fmt: skip
_TIMES = ("time", "timestamp", "time_stamp", "date", "datetime", "ts")
_REQUEST = ("user", "hour", "weekday", "day", "device", "site", "app", "query", "country", "region", "city",
            "language", "age", "gender", "page", "surface", "session", "os", "browser")  # fmt: skip
_GROUPS = {
    **{field.name: "request" for field in examples.CONTEXT},
    **{field.name: "ad" for field in examples.AD},
    **{field.name: "match" for field in examples.MATCH},
}


@dataclass(frozen=True, slots=True)
class Guess:
    """One column: its row of the feature table, or None where it is left out, and why."""

    profile: Profile
    row: dict[str, Any] | None
    reasons: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {**self.profile.to_json(), "row": self.row, "reasons": list(self.reasons)}


@dataclass(frozen=True, slots=True)
class Inferred:
    """What was made of a table."""

    rows: int
    guesses: tuple[Guess, ...]

    def spec(self) -> FeatureSpec:
        """The feature table.

        Raises:
            InputError: no column can be a feature of an ad.
        """
        rows = [guess.row for guess in self.guesses if guess.row is not None]
        if not any(row["group"] != "request" for row in rows):
            raise InputError("columns", f"{len(rows)} features, none of an ad", "give a table of ads shown")
        more = sorted({row["source"] for row in rows} - KNOWN_BEFORE_SHOWING)
        try:
            return FeatureSpec.model_validate({"extra_sources": more, "features": rows})
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise InputError("columns", f"{len(rows)} features", first["msg"]) from None

    def yaml(self) -> str:
        """The feature table as a file to edit: a line a feature, with the reasons behind each."""
        spec = self.spec()
        lines = [
            f"# Inferred from {self.rows:,} rows. Look at each line: what a column means, no count can tell.",
            "# Group request: one value a request. ad: of the ad. match: of both.",
            "version: 1",
        ]
        if spec.extra_sources:
            lines += [f"extra_sources: {_flow(spec.extra_sources)}"]
        lines += ["features:"]
        for guess in self.guesses:
            why = "; ".join(guess.reasons)
            if guess.row is None:
                lines += [f"  # left out: {guess.profile.name}: {why}"]
            else:
                lines += [f"  # {why}", f"  - {_flow(guess.row)}"]
        text = "\n".join(lines) + "\n"
        assert FeatureSpec.model_validate(yaml.safe_load(text)).hash == spec.hash
        return text


def infer(
    batches: Iterable[pa.RecordBatch],
    labels: Iterable[str] = (),
    progress: Callable[[int], None] = lambda rows: None,
) -> Inferred:
    """Look at every piece of a table once and guess a row for each column.

    Parameters:
        labels: columns that are not known before an ad is shown; those with the usual names are left out
            in any case.
        progress: called with the rows seen so far.

    Raises:
        InputError: a table without rows, or a label that it does not have.
    """
    profiles: dict[str, Profile] = {}
    rows = 0
    for batch in batches:
        for name, values in zip(batch.schema.names, batch.columns, strict=True):
            profiles.setdefault(name, Profile(name)).observe(values)
        rows += batch.num_rows
        progress(rows)
    if not rows:
        raise InputError("rows", 0, "give a table with rows")
    wanted = frozenset(labels)
    for name in sorted(wanted - profiles.keys()):
        raise InputError("label", name, f"the table has {', '.join(sorted(profiles)[:20])}")
    actions = set(examples.ACTIONS) <= profiles.keys()
    names: set[str] = set()
    guesses = []
    for profile in profiles.values():
        of_actions = actions and profile.name in examples.ACTIONS
        guess = _guess_action(profile) if of_actions else _guess(profile, wanted)
        if guess.row is not None:
            guess.row["name"] = _apart(guess.row["name"], names)
        guesses.append(guess)
    return Inferred(rows, tuple(guesses))


def _guess(p: Profile, labels: frozenset[str]) -> Guess:
    if why := _left_out(p, labels):
        return Guess(p, None, (why,))
    reasons = [
        f"{_number(p)} distinct" if p.lengths is None else f"lists of {p.lengths[0]} to {p.lengths[1]}"
    ]
    if p.missing:
        reasons.append(f"{p.missing_share:.1%} missing")
    row: dict[str, Any] = {"name": _feature_name(p.name), "source": p.name}
    if p.least == -1 and p.kind in (Kind.INTEGER, Kind.NUMBER):
        reasons.append("holds -1: where that stands for missing, make it null")
    if p.kind is Kind.NUMBER and p.whole and p.distinct > 2:
        reasons.append("whole numbers written as floats: if they are ids, write them as integers")
    chosen, why = _transform(p)
    group, because = _group(p.name)
    return Guess(p, {**row, **chosen, "group": group}, (*reasons, why, because))


def _guess_action(p: Profile) -> Guess:
    """The four lists of the last actions are one feature."""
    if p.name != "action_interest":
        return Guess(p, None, ("read by the sequence recent_actions, or for you to add to it",))
    row = {
        "name": "recent_actions", "source": p.name, "also": {"action_type": "action_type"},
        "age": "action_age_s", "type": "list", "transform": "sequence", "max_length": MAX_SEQUENCE,
        "group": "request",
    }  # fmt: skip
    return Guess(p, row, ("the last actions in their order", "known to the schema"))


def _left_out(p: Profile, labels: frozenset[str]) -> str | None:
    if p.name in labels or p.name.lower() in LABELS:
        return "a label"
    if p.name in NEVER_FEATURES:
        return "not known before an ad is shown, or names the row"
    if p.kind is None:
        return "every value is missing"
    if p.kind is Kind.TIME or (p.name.lower() in _TIMES and p.distinct > FEW):
        return "a moment would be learned by heart: make hour and weekday of it"
    if p.kind is Kind.OTHER or p.lengths == (0, 0):
        return "of a type that no transform takes"
    if p.kind is Kind.NUMBER_LIST and p.lengths is not None and p.lengths[0] != p.lengths[1]:
        return f"vectors of {p.lengths[0]} to {p.lengths[1]} numbers: give one length"
    if p.lengths is None and p.distinct == 1 and not p.missing:
        return "one value in all rows"
    if p.listed:
        return "lists written as text: write them as a Parquet list of integers"
    if p.kind is not Kind.NUMBER and p.lengths is None and p.distinct > max(FEW, ROW_ID_SHARE * p.known):
        return f"{_number(p)} distinct in {p.known:,}: it names the row and would be learned by heart"
    return None


def _number(p: Profile) -> str:
    return f"{p.distinct:,}" if p.distinct < SKETCH else f"about {p.distinct:,}"


def _transform(p: Profile) -> tuple[dict[str, Any], str]:
    """Type and transform of a column that is kept, and why these."""
    if p.kind is Kind.INTEGER_LIST:
        longest = max(1, min(256, math.ceil(p.quantile(0.95))))
        return {
            "type": "list",
            "transform": "multi_hot",
            "max_length": longest,
        }, f"95% have at most {longest}"
    if p.kind is Kind.NUMBER_LIST:
        assert p.lengths is not None
        return {"type": "vector", "transform": "embedding", "size": p.lengths[1]}, "floats of one length"
    if p.kind is Kind.NUMBER or (p.kind is Kind.INTEGER and p.distinct > FEW and _counts(p)):
        if p.distinct <= 2:
            return {"type": "number", "transform": "number"}, "a flag"
        if abs(p.skew) > LONG_TAIL:
            return {"type": "number", "transform": "log_squash"}, f"long tail (skew {p.skew:.1f})"
        return {"type": "number", "transform": "standardize"}, f"no long tail (skew {p.skew:.1f})"
    kind = "string" if p.kind is Kind.STRING else "integer"
    if p.distinct > VOCABULARY:
        buckets = min(10_000_000, 2 ** math.ceil(math.log2(2 * p.distinct)))
        return {"type": kind, "transform": "hash", "buckets": buckets}, "too many for a vocabulary"
    rare = 2 if p.distinct <= FEW else max(2, min(10, round(p.known / p.distinct / 4)))
    return {"type": kind, "transform": "vocabulary", "min_count": rare}, f"rarer than {rare} is any other"


def _counts(p: Profile) -> bool:
    """Whether many distinct integers look like amounts and not like ids.

    Amounts crowd at the low end: half of them lie in the lowest twentieth of their range. Ids are named so.
    """
    name = p.name.lower()
    if name.endswith(("id", "_no", "code", "key", "customer", "brand")):
        return False
    spread = p.quantile(1.0) - p.least
    return p.least > -1_000 and p.quantile(0.5) - p.least <= 0.05 * spread


def _group(name: str) -> tuple[str, str]:
    if name in _GROUPS:
        return _GROUPS[name], "known to the schema"
    words = name.lower().split("_")
    if any(word in _REQUEST for word in words) and not {"ad", "ads", "campaign", "adgroup"} & set(words):
        return "request", "by its name"
    return "ad", "ad, unless you know better"


def _feature_name(column: str) -> str:
    letters = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in column.lower())
    letters = letters.strip("_")[:60] or "column"
    return letters if letters[0].isalpha() else f"c_{letters}"


def _apart(name: str, taken: set[str]) -> str:
    """`name`, or with a number behind it where it is taken; notes it as taken."""
    found, number = name, 2
    while found in taken:
        found, number = f"{name[:56]}_{number}", number + 1
    taken.add(found)
    return found


def _flow(value: Any) -> str:
    text: str = yaml.safe_dump(
        value, default_flow_style=True, sort_keys=False, width=10**6, allow_unicode=True
    )
    return text.strip().removesuffix("...").strip()
