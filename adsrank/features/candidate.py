"""All feature columns of a request's candidates: what the models are given, and what is logged."""

from typing import Any

from adsrank.candidates import Candidates
from adsrank.features.columns import AdRows, ad_columns, match_columns, request_columns
from adsrank.request import AdRequest


def candidate_columns(request: AdRequest, snapshot: AdRows, candidates: Candidates) -> dict[str, Any]:
    """Columns by the names of the training table: request's once, the ads' and the match's [n] each."""
    return {
        **request_columns(request),
        **ad_columns(snapshot, candidates.row, request.time),
        **match_columns(request, candidates.columns, snapshot.embedded[candidates.row]),
    }
