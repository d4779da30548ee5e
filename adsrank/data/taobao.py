"""Alibaba's display ads on Taobao, joined with profiles of users and ads.

The full tables (raw_sample, ad_feature, user_profile) are on Tianchi: "Ali_Display_Ad_Click".
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from adsrank.data.delimited import read_delimited
from auction.errors import InputError

USER = (
    "cms_segid",
    "cms_group_id",
    "final_gender_code",
    "age_level",
    "pvalue_level",
    "shopping_level",
    "occupation",
    "new_user_class_level",
)
AD = ("adgroup_id", "cate_id", "campaign_id", "customer", "brand")
HISTORIES = ("tag_category_list", "tag_brand_list")
SCHEMA = {
    "user_id": pa.string(),
    "time_stamp": pa.int64(),
    "adgroup_id": pa.string(),
    "pid": pa.string(),
    "nonclk": pa.int8(),
    "click": pa.int8(),
    **dict.fromkeys(HISTORIES, pa.string()),
    **dict.fromkeys(USER, pa.string()),
    **dict.fromkeys(AD[1:], pa.string()),
    "price": pa.float64(),
}


def read_taobao(*paths: Path) -> pa.Table:
    """Shown ads, oldest first: `time_stamp` (Unix seconds), `click`, user, ad, and two histories.

    `tag_category_list` and `tag_brand_list` become lists of int64, oldest first (the ids of what the user
    looked at before, as the publisher joined them). `nonclk` repeats the label and is left out.

    Raises:
        InputError: as `read_delimited`, or a history that is not of ids; names the column.
    """
    keep = tuple(name for name in SCHEMA if name != "nonclk")
    table = read_delimited(paths, SCHEMA, nulls=("", "NULL"), keep=keep)
    for name in HISTORIES:
        lists = pc.cast(
            pc.split_pattern(pc.fill_null(table[name].combine_chunks(), ""), "|"), pa.list_(pa.string())
        )
        try:
            table = table.set_column(table.column_names.index(name), name, _integers(lists))
        except pa.ArrowInvalid as error:
            raise InputError(name, str(error).split("\n")[0][:120], "give ids with | between them") from None
    return table.take(pc.sort_indices(table, [("time_stamp", "ascending")]))


def _integers(lists: pa.ListArray) -> pa.ListArray:
    """Lists of texts as lists of int64; an empty text, as an empty list splits into, is dropped."""
    words = lists.flatten()
    kept = pc.not_equal(words, "")
    counts = pa.array([0, *pc.cumulative_sum(pc.cast(kept, pa.int32())).to_pylist()], pa.int32())
    return pa.ListArray.from_arrays(counts.take(lists.offsets), pc.cast(words.filter(kept), pa.int64()))
