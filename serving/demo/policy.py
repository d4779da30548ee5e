"""The policy that the demo serves: `configs/policy.yaml` says the same with a comment on every line."""

from auction.policy import AuctionPolicy, FeedRules, Quality, Reserve

DEMO_POLICY = AuctionPolicy(
    name="demo",
    exchange_rate=300_000.0,
    rules=FeedRules(first_position=2, min_gap=4, max_ads=6, max_share=0.2, relevance_floor=0.1),
    reserve=Reserve(impression_micros=500, click_micros=50_000, conversion_micros=500_000),
    quality=Quality(save_micros=20_000, hide_micros=100_000),
)
