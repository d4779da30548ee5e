"""Compile the auction's kernels ahead of the first auction: ``python -m auction.warm``.

Compiled code is kept beside the sources, so this takes a minute or two once a checkout and a moment after.
"""

import numpy as np

from auction.auction import hold_auctions
from auction.policy import AuctionPolicy, Exposure, FeedRules
from auction.simulation.sample import sample_slates


def warm() -> None:
    """Hold a small feed auction and a small plain one."""
    generator = np.random.default_rng(0)
    seen = Exposure(examination=[1.0, 0.9, 0.8, 0.7, 0.6, 0.5], gap_effect=[0.8])
    hold_auctions(sample_slates(generator, 2, 4, 6), AuctionPolicy(exposure=seen))
    anywhere = FeedRules(first_position=1, min_gap=1, max_ads=3, max_share=1.0, ad_last=True)
    plain = Exposure(examination=[1.0, 0.9, 0.8])
    hold_auctions(sample_slates(generator, 2, 4, 0), AuctionPolicy(rules=anywhere, exposure=plain))


if __name__ == "__main__":
    warm()
