"""All feature columns of a request's candidates: what the models are given, and what is logged."""

from collections.abc import Iterable, Mapping
from typing import Any

from adsrank.candidates import Candidates
from adsrank.errors import InputError
from adsrank.features.columns import AdRows, ad_columns, match_columns
from adsrank.features.examples import AD, CONTEXT, MATCH
from adsrank.request import AdRequest

SERVED = frozenset(each.name for each in (*CONTEXT, *AD, *MATCH)) - {"request_id", "time"}
"""The columns that serving makes."""


def check_served(sources: Iterable[str]) -> None:
    """Refuse a feature table that reads what serving does not make, before any request meets it.

    Raises:
        InputError: a source beyond `SERVED`; names it.
    """
    for name in sorted(set(sources) - SERVED):
        raise InputError(
            f"features: {name}",
            "not made by serving",
            "train without it (it stands in extra_sources), or make it in adsrank/features/candidate.py",
        )


def candidate_columns(
    request: AdRequest, asked: Mapping[str, Any], snapshot: AdRows, candidates: Candidates
) -> dict[str, Any]:
    """Columns by the names of the training table: the request's (`asked`) once, the others [n] each."""
    return {
        **asked,
        **ad_columns(snapshot, candidates.row, request.time),
        **match_columns(request, candidates.columns, snapshot.embedded[candidates.row]),
    }
