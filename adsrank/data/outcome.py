"""The user's answer to a feed: the events that a client would send for the ads it was shown."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from adsrank.data.reaction import react
from adsrank.data.truth import Truth
from adsrank.request import AdRequest
from auction.errors import InputError

EVENTS = ("impression", "click", "save", "hide", "conversion")


def respond(truth: Truth, request: AdRequest, shown: Sequence[tuple[int, int, int]]) -> list[dict[str, Any]]:
    """Events of the ads in `shown`, each (ad id, 1-based position, gap from the ad before or 0).

    An event is {type, ad_id, time, value_micros}: `type` one of EVENTS, `time` UTC, `value_micros` the
    order value of a conversion and 0 otherwise. An impression event is sent for an ad that is seen, which
    happens with probability e_s * g(d); the other events are sent for seen ads only, so a label per shown
    ad has the mean e_s * g(d) * p. Events come in order of time; conversions may be days late.

    Raises:
        InputError: an ad unknown to the market, a position below 1 or a gap below 0.
    """
    if not shown:
        return []
    ad_ids, positions, gaps = (np.array(column, np.int64) for column in zip(*shown, strict=True))
    for name, column, least in (("position", positions, 1), ("gap", gaps, 0)):
        low = np.flatnonzero(column < least)
        if len(low):
            raise InputError(f"shown[{low[0]}].{name}", int(column[low[0]]), f"give at least {least}")
    context = truth.context(request, ad_ids)
    drawn = react(truth, context, positions, gaps)
    events: list[dict[str, Any]] = []
    for k, ad_id in enumerate(ad_ids.tolist()):
        seen_at = _after(request.time, float(drawn.seen_after_s[k]))
        acted_at = _after(request.time, float(drawn.acted_after_s[k]))
        if drawn.seen[k]:
            events.append(_event("impression", ad_id, seen_at))
        if drawn.click[k]:
            events.append(_event("click", ad_id, acted_at))
        if drawn.save[k]:
            events.append(_event("save", ad_id, acted_at))
        if drawn.hide[k]:
            events.append(_event("hide", ad_id, acted_at))
        if drawn.conversion[k]:
            bought_at = _after(acted_at, float(drawn.delay_s[k]))
            events.append(_event("conversion", ad_id, bought_at, int(drawn.value_micros[k])))
    return sorted(events, key=lambda event: (event["time"], event["ad_id"], EVENTS.index(event["type"])))


def _after(time: datetime, seconds: float) -> datetime:
    return time + timedelta(microseconds=round(seconds * 1e6))


def _event(kind: str, ad_id: int, time: datetime, value_micros: int = 0) -> dict[str, Any]:
    return {"type": kind, "ad_id": ad_id, "time": time, "value_micros": value_micros}
