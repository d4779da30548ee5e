"""A market that lives: bids, ads, reserves and rules change in any order, and what must hold, holds.

After every step the shown feed is read item by item in plain Python (`auction.audit.feed_rules`), its value
added up again and its prices held to reserve and bid. The steps themselves say what a change may do.
"""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from auction.auction import hold_auction, hold_auctions
from auction.audit.feed_rules import feed_of
from auction.audit.identities import breaks
from auction.audit.stake import stakes
from auction.batch import SlateBatch, column_of
from auction.hold import Hold
from auction.outcome import Outcome
from auction.policy import AuctionPolicy, Pricing
from auction.slate import AD_COLUMNS, Slate
from tests.auction.small_markets import draw_policy, draw_slate

MOST_ADS = 9
PRICES = ("position", "exposure", "price_micros", "setter", "setter_ad_id", "reason")

amounts = st.one_of(st.integers(0, 4_000_000), st.sampled_from([0, 1, 499_999, 500_000, 500_001, 1_000_000]))
which = st.integers(0, 10**6)


class Market(RuleBasedStateMachine):
    """One page and its bidders. `decided` is the outcome of `slate` under `policy`, always."""

    @initialize(seed=st.integers(0, 2**32), alike=st.booleans(), pricing=st.sampled_from(Pricing))
    def opens(self, seed: int, alike: bool, pricing: Pricing) -> None:
        self.rng = np.random.default_rng(seed)
        self.slate = draw_slate(self.rng, ads=5, organics=7, alike=alike)
        self.policy = draw_policy(self.rng, pricing)
        self.next_id = 10_000
        self.decided = hold_auction(self.slate, self.policy)

    # Helpers.

    def moves_to(self, slate: Slate | None = None, policy: AuctionPolicy | None = None) -> Outcome:
        """Decide anew and return what was decided before."""
        before = self.decided
        self.slate, self.policy = slate or self.slate, policy or self.policy
        self.decided = hold_auction(self.slate, self.policy)
        return before

    def has_ads(self) -> bool:
        return len(self.slate.ad_id) > 0

    def keeping(self, keep: np.ndarray) -> Slate:
        return replace(self.slate, **{name: column_of(self.slate, name)[keep] for name in AD_COLUMNS})

    def ruled(self, **rules: object) -> AuctionPolicy:
        return self.policy.model_copy(update={"rules": self.policy.rules.model_copy(update=rules)})

    def one_ad_each(self) -> bool:
        """No price is taken in another market than the one that is shown."""
        advertisers = self.slate.advertiser_id
        return self.policy.rules.one_per_advertiser or len(set(advertisers.tolist())) == len(advertisers)

    # Bids.

    @precondition(has_ads)
    @rule(at=which, bid=amounts)
    def a_bid_changes(self, at: int, bid: int) -> None:
        """Exposure and the page's value go the way the bid goes, or stay."""
        ad = at % len(self.slate.ad_id)
        bids = self.slate.bid_micros.copy()
        up = bid >= bids[ad]
        bids[ad] = bid
        before = self.moves_to(replace(self.slate, bid_micros=bids))
        low, high = (before, self.decided) if up else (self.decided, before)
        assert low.exposure[ad] <= high.exposure[ad]
        assert low.value_micros <= high.value_micros
        assert low.organic_only_value_micros == high.organic_only_value_micros

    @precondition(has_ads)
    @rule(at=which, below=st.sampled_from([-1, 0, 1]))
    def a_shown_ad_bids_about_its_price(self, at: int, below: int) -> None:
        """At a second price the slot is kept, a micro below it lost (unless that is below the reserve).

        A price is per billable event, so the ad bids for that, whatever it had in mind before.
        """
        shown = np.flatnonzero(self.decided.position)
        if len(shown) == 0 or not self.one_ad_each() or self.policy.pricing is not Pricing.SECOND_PRICE:
            return
        ad = int(shown[at % len(shown)])
        price, looks = int(self.decided.price_micros[ad]), float(self.decided.exposure[ad])
        if price + below < 0:
            return
        bids, multiplier, goal = (
            column_of(self.slate, name).copy() for name in ("bid_micros", "multiplier", "goal")
        )
        bids[ad], multiplier[ad], goal[ad] = price + below, 1.0, self.slate.billable[ad]
        slate = replace(self.slate, bid_micros=bids, multiplier=multiplier, goal=goal)
        outcome = hold_auction(slate, self.policy)
        siblings = self.slate.advertiser_id == self.slate.advertiser_id[ad]
        if below < 0:
            assert outcome.exposure[ad] < looks
        elif siblings.sum() == 1:
            assert outcome.exposure[ad] >= looks

    # Who is there.

    @rule(seed=st.integers(0, 2**32), advertiser=st.integers(0, 6), bid=amounts)
    def an_ad_joins(self, seed: int, advertiser: int, bid: int) -> None:
        """One more ad: no page is worth less for it."""
        if len(self.slate.ad_id) >= MOST_ADS:
            return
        rng = np.random.default_rng(seed)
        one = draw_slate(rng, ads=1)
        while len(one.ad_id) == 0:
            one = draw_slate(rng, ads=1)
        self.next_id += 1
        one = replace(
            one,
            ad_id=np.array([self.next_id]),
            advertiser_id=np.array([advertiser]),
            bid_micros=np.array([bid // 25 if one.billable[0] == 0 else bid]),
        )
        columns = {
            name: np.concatenate([column_of(self.slate, name), column_of(one, name)]) for name in AD_COLUMNS
        }
        before = self.moves_to(replace(self.slate, **columns))
        assert before.value_micros <= self.decided.value_micros

    @precondition(has_ads)
    @rule(at=which)
    def an_ad_leaves(self, at: int) -> None:
        """No page is worth more for it. If it was not shown the feed stays as it is, and no price rises:
        the slot that a price keeps is the one shown, without the ad too, at every bid that kept it."""
        ad = at % len(self.slate.ad_id)
        lost = self.decided.position[ad] == 0
        keep = np.arange(len(self.slate.ad_id)) != ad
        comparable = self.one_ad_each()
        before = self.moves_to(self.keeping(keep))
        assert self.decided.value_micros <= before.value_micros
        if lost:
            np.testing.assert_array_equal(before.position[keep], self.decided.position)
            np.testing.assert_array_equal(before.exposure[keep], self.decided.exposure)
            assert self.decided.value_micros == before.value_micros
            if comparable:
                assert np.all(self.decided.price_micros <= before.price_micros[keep])

    @precondition(has_ads)
    @rule(at=which)
    def an_ad_ceases_to_be_a_number(self, at: int) -> None:
        """It leaves, and the others are decided as without it; then it is taken out."""
        ad = at % len(self.slate.ad_id)
        scores = self.slate.p_hide.copy()
        scores[ad] = np.nan
        self.moves_to(replace(self.slate, p_hide=scores))
        keep = np.arange(len(self.slate.ad_id)) != ad
        before = self.moves_to(self.keeping(keep))
        for name in PRICES:
            np.testing.assert_array_equal(getattr(before, name)[keep], getattr(self.decided, name))

    # Reserves, exchange rate, pricing.

    @rule(event=st.sampled_from(["impression", "click", "conversion"]), micros=amounts)
    def a_reserve_changes(self, event: str, micros: int) -> None:
        """A higher reserve lets fewer compete: the page is worth no more."""
        name = f"{event}_micros"
        micros = micros // 100 if event == "impression" else micros
        up = micros >= getattr(self.policy.reserve, name)
        reserve = self.policy.reserve.model_copy(update={name: micros})
        before = self.moves_to(policy=self.policy.model_copy(update={"reserve": reserve}))
        low, high = (self.decided, before) if up else (before, self.decided)
        assert low.value_micros <= high.value_micros

    @rule(rate=st.sampled_from([0.01, 0.3, 0.9, 1.0, 1.7, 5.0]))
    def the_exchange_rate_changes(self, rate: float) -> None:
        """The dearer organic items are, the more of their utility is seen (but for rounding of worths)."""
        old = self.policy.exchange_rate
        seen = self.looks_at_utility()
        self.moves_to(policy=self.policy.model_copy(update={"exchange_rate": rate}))
        gained = (rate - old) * (self.looks_at_utility() - seen)
        assert gained >= -(2 * len(self.slate.organic_utility) * 0.0005 + 1e-6)

    def looks_at_utility(self) -> float:
        examination = self.policy.exposure.examination
        feed = enumerate(feed_of(self.slate, self.decided))
        return sum(
            round(examination[s] * 1e5) / 1e5 * float(self.slate.organic_utility[k])
            for s, (what, k) in feed
            if what == "organic" and s < len(examination)
        )

    @rule(pricing=st.sampled_from(Pricing))
    def the_pricing_changes(self, pricing: Pricing) -> None:
        """Positions are decided by scores, never by payments; and VCG <= second price <= first price."""
        before = self.moves_to(policy=self.policy.model_copy(update={"pricing": pricing}))
        for name in ("position", "exposure", "reason"):
            np.testing.assert_array_equal(getattr(before, name), getattr(self.decided, name))
        vcg, second, first = (
            hold_auction(self.slate, self.policy.model_copy(update={"pricing": each})).price_micros
            for each in (Pricing.VCG, Pricing.SECOND_PRICE, Pricing.FIRST_PRICE)
        )
        assert np.all(vcg <= second)
        assert np.all(second <= first)

    # The rules of the feed.

    @rule(name=st.sampled_from(["max_ads", "min_gap", "first_position"]), step=st.sampled_from([-1, 1]))
    def a_count_moves_by_one(self, name: str, step: int) -> None:
        value = getattr(self.policy.rules, name) + step
        least, most = (0, 4) if name == "max_ads" else (1, 5)
        if not least <= value <= most:
            return
        before = self.moves_to(policy=self.ruled(**{name: value}))
        looser = (step > 0) == (name == "max_ads")
        low, high = (before, self.decided) if looser else (self.decided, before)
        assert low.value_micros <= high.value_micros

    @rule(share=st.sampled_from([0.0, 0.2, 0.25, 1 / 3, 0.5, 1.0]))
    def the_share_changes(self, share: float) -> None:
        looser = share >= self.policy.rules.max_share
        before = self.moves_to(policy=self.ruled(max_share=share))
        low, high = (before, self.decided) if looser else (self.decided, before)
        assert low.value_micros <= high.value_micros

    @rule(name=st.sampled_from(["ad_last", "one_per_advertiser", "one_per_category", "adjacency"]))
    def a_rule_is_switched(self, name: str) -> None:
        now = not getattr(self.policy.rules, name)
        before = self.moves_to(policy=self.ruled(**{name: now}))
        looser = now == (name == "ad_last")
        low, high = (before, self.decided) if looser else (self.decided, before)
        assert low.value_micros <= high.value_micros

    @rule(floor=st.sampled_from([-1.0, 0.0, 0.3, 0.8]))
    def the_relevance_floor_moves(self, floor: float) -> None:
        looser = floor <= self.policy.rules.relevance_floor
        before = self.moves_to(policy=self.ruled(relevance_floor=floor))
        low, high = (before, self.decided) if looser else (self.decided, before)
        assert low.value_micros <= high.value_micros

    @rule(since=st.integers(-1, 5))
    def the_page_before_ends_elsewhere(self, since: int) -> None:
        self.moves_to(replace(self.slate, positions_since_ad=since))

    @rule(held=st.lists(st.sampled_from([Hold.OPEN, Hold.OPEN, Hold.NO_AD, Hold.MODULE]), max_size=8))
    def the_mixer_holds_positions(self, held: list[Hold]) -> None:
        """None is reserved for an ad: such a page may be worth less with an ad more, as the mixer wishes."""
        self.moves_to(replace(self.slate, hold=np.array(held, np.int8)))

    # What always holds.

    @invariant()
    def the_feed_keeps_its_rules_and_prices_their_bounds(self) -> None:
        batch = SlateBatch.of([self.slate])
        found = stakes(batch, self.policy, hold_auctions(batch, self.policy))
        everything = slice(0, len(self.slate.ad_id))
        assert list(breaks(self.slate, self.policy, self.decided, found, everything)) == []

    @invariant()
    def the_order_of_the_input_changes_nothing(self) -> None:
        order = self.rng.permutation(len(self.slate.ad_id))
        outcome = hold_auction(self.keeping(order), self.policy)
        for name in PRICES:
            np.testing.assert_array_equal(getattr(self.decided, name)[order], getattr(outcome, name))
        assert outcome.value_micros == self.decided.value_micros

    @invariant()
    def beside_another_slate_it_is_decided_the_same(self) -> None:
        other = replace(self.slate, seed=self.slate.seed ^ 1, positions_since_ad=-1)
        outcome = hold_auctions(SlateBatch.of([other, self.slate]), self.policy)[1]
        for name in Outcome.__slots__:
            np.testing.assert_array_equal(getattr(self.decided, name), getattr(outcome, name))


def play(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        Market,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_a_market_keeps_its_laws_in_any_order_of_changes() -> None:
    play(25, 20)


@pytest.mark.slow
def test_a_market_keeps_its_laws_in_very_many_orders_of_changes() -> None:
    play(600, 50)
