"""The training table: one row an ad shown, with what was known then and what came of it.

The built-in market writes its history in this schema; `training.join` makes it from a decision log
and an event log, so that a model is trained on the log of the engine that it will serve in.
"""

import pyarrow as pa

CONTEXT = [
    pa.field("request_id", pa.string()),
    pa.field("time", pa.timestamp("us", tz="UTC")),
    pa.field("user_id", pa.string()),
    pa.field("surface", pa.string()),
    pa.field("country", pa.string()),
    pa.field("device", pa.string()),
    pa.field("hour", pa.int32()),  # 0..23, UTC
    pa.field("weekday", pa.int32()),  # 0 = Monday
    pa.field("user_interests", pa.list_(pa.int32())),  # leaf nodes of the interest tree
    pa.field("recent_interests", pa.list_(pa.int32())),  # of the last actions, newest last, at most 20
    # The last actions in their order, newest last, at most 100: four lists of equal length.
    pa.field("action_type", pa.list_(pa.int8())),  # `request.ActionType.code`
    pa.field("action_interest", pa.list_(pa.int32())),  # 0 where the caller gave none
    pa.field("action_item", pa.list_(pa.int64())),  # 0 where the caller gave none
    pa.field("action_age_s", pa.list_(pa.float32())),  # seconds before the request
]
ACTIONS = ("action_type", "action_interest", "action_item", "action_age_s")
"""Columns of `CONTEXT` that logs and tables of the first release do not have."""
AD = [
    pa.field("ad_id", pa.int64()),
    pa.field("campaign_id", pa.int64()),
    pa.field("advertiser_id", pa.int64()),
    pa.field("ad_interest", pa.int32()),  # leaf node
    pa.field("format", pa.string()),
    pa.field("objective", pa.string()),
    pa.field("ad_age_days", pa.float32()),
]
MATCH = [
    pa.field("similarity", pa.float32()),  # largest cosine of an intent and the ad
    pa.field("similarity_mean", pa.float32()),  # weighted by the intents' weights
    pa.field("interest_match", pa.float32()),  # 1 where the ad's interest is one of the user's
]
PLACE = [
    pa.field("position", pa.int32()),  # 1-based
    pa.field("gap", pa.int32()),  # positions from the ad before; 0 where there is none
]
LABELS = [
    pa.field("click", pa.int8()),
    pa.field("save", pa.int8()),
    pa.field("hide", pa.int8()),
    pa.field("conversion", pa.int8()),  # within the attribution window of the click
    pa.field("conversion_delay_s", pa.float64()),  # null without a conversion
    pa.field("value_micros", pa.int64()),  # order value, 0 without a conversion
]

MORE_LABELS = [pa.field("long_click", pa.int8())]  # a click whose visit lasted
"""Labels that a training table may have beside those of `SCHEMA`."""

SCHEMA = pa.schema(CONTEXT + AD + MATCH + PLACE + LABELS)
