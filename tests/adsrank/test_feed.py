"""The feed as a list: every position once, organic items in order, ads and modules where they were put."""

from hypothesis import given, settings
from hypothesis import strategies as st

from adsrank.decision import FeedEntry, PlacedAd, lay_feed
from auction.billable import Billable
from auction.outcome import Setter


def an_ad(position: int) -> PlacedAd:
    return PlacedAd(
        f"r/{position}", position, 1, 1, 1, position, 1.0, Billable.CLICK, 1, 1, Setter.RESERVE, 0, "", "", ""
    )


def kind(entry: FeedEntry) -> str:
    assert (entry.organic_id is not None) + (entry.ad is not None) + entry.module == 1
    return "organic" if entry.organic_id is not None else "ad" if entry.ad is not None else "module"


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["organic", "ad", "module"]), max_size=40),
    st.sets(st.integers(2, 9), max_size=3),
)
def test_any_page_comes_back_as_it_was_laid_out(page: list[str], beyond: set[int]) -> None:
    places = {name: [n for n, each in enumerate(page, 1) if each == name] for name in ("ad", "module")}
    organic_ids = [f"pin {n}" for n in range(page.count("organic"))]
    ads = {position: an_ad(position) for position in places["ad"]}
    unreached = {len(page) + each for each in beyond}
    feed = lay_feed(organic_ids, {*places["module"], *unreached}, ads)
    assert [kind(entry) for entry in feed] == page
    assert [entry.position for entry in feed] == list(range(1, len(page) + 1))
    assert [entry.organic_id for entry in feed if entry.organic_id is not None] == organic_ids
    assert {entry.position: entry.ad for entry in feed if entry.ad is not None} == ads


@settings(deadline=None)
@given(st.integers(0, 20), st.sets(st.integers(1, 30), max_size=10))
def test_without_ads_the_modules_keep_their_positions_and_the_organic_items_close_up(
    organics: int, modules: set[int]
) -> None:
    feed = lay_feed([str(n) for n in range(organics)], modules)
    assert [entry.position for entry in feed] == list(range(1, len(feed) + 1))
    assert [entry.organic_id for entry in feed if not entry.module] == [str(n) for n in range(organics)]
    assert {entry.position for entry in feed if entry.module} == {p for p in modules if p <= len(feed)}
    assert len(feed) + 1 not in modules
