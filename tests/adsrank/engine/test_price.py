"""Prices of the ads that are shown."""

from auction.billable import Billable


def test_prices_are_between_reserve_and_bid(decisions, release):
    bid = dict(zip(release.snapshot.ad_id.tolist(), release.snapshot.bid_micros.tolist(), strict=True))
    for decision in decisions:
        for ad in decision.ads:
            floor = {Billable.IMPRESSION: 500, Billable.CLICK: 50_000, Billable.CONVERSION: 0}[ad.billable]
            assert floor <= ad.price_micros <= bid[ad.ad_id]
            assert ad.expected_charge_micros >= 1
