"""What an earlier, simpler ad server showed: the policy behind the built-in market's history.

It mixes ads near one of the visit's intents with ads drawn at random, and it places them without
looking at them: positions and gaps are independent of relevance, so a log of it identifies the
examination of positions and the gap effect, and covers pairs that a good ranker would never show.
"""

from dataclasses import dataclass

import numpy as np

from adsrank.data.draw import uniform
from adsrank.data.exposure import PAGE_LENGTH
from adsrank.data.inventory import Inventory
from adsrank.data.population import DEVICES
from adsrank.data.traffic import repeats
from adsrank.data.visit import SURFACES, Visits, Wants
from adsrank.data.world import MICROS, Int64, World

_CANDIDATES = 12
_RANK, _MOST_HANDFUL = 56, 256
_RANDOM_SHARE = 0.4
_MOST_ADS = 7
_SMALL_GAPS, _SMALL_SHARE, _LONGEST_GAP = 5, 0.7, 14
_FIRST_POSITIONS = 14
_INTENT, _MODE, _WANTED, _FIRST, _GAP, _GAP_KIND, _ORDER = range(401, 408)


@dataclass(frozen=True, slots=True)
class Placed:
    """Columns of the ads shown, in order of visit and position."""

    visit: Int64
    """Row of the visit."""
    ad: Int64
    """Row of the ad."""
    position: Int64
    gap: Int64
    """Positions from the ad before, that of the page before included; 0 where there is none."""


class LoggingPolicy:
    """Shows ads that are active, in schedule and targeted at the visit; one of each advertiser a page."""

    def __init__(self, world: World, ads: Inventory) -> None:
        self.world = world
        self.ads = ads
        self.running = np.flatnonzero(ads.active)
        users = world.users
        self.countries, self._country = np.unique(users.country, return_inverse=True)
        self.languages, self._language = np.unique(users.language, return_inverse=True)
        self._device = np.searchsorted(np.sort(DEVICES), users.device)
        self._takes = {
            "countries": np.array([ads.accepts("countries", value) for value in self.countries]),
            "languages": np.array([ads.accepts("languages", value) for value in self.languages]),
            "devices": np.array([ads.accepts("devices", value) for value in np.sort(DEVICES)]),
            "surfaces": np.array([ads.accepts("surfaces", value) for value in SURFACES]),
        }
        leaves = world.tree.leaves
        self._takes_leaf = np.array([ads.accepts("interests", leaf) for leaf in leaves.tolist()]).T
        self.has_leaf = np.zeros((len(users.user_id), len(leaves)), bool)
        owner = np.repeat(np.arange(len(users.user_id)), np.diff(users.interest_offset))
        self.has_leaf[owner, world.tree.leaf_index(users.interest)] = True

    def place(self, visits: Visits, wants: Wants) -> Placed:
        """The ads of a block of visits and where they stood."""
        key = visits.request_key[:, None]
        seed, column = visits.seed, np.arange(_CANDIDATES)
        ad = self._candidates(visits, wants, key)
        valid = self._valid(visits, ad)
        # One ad an advertiser; an invalid candidate must not stand in a later one's way.
        advertiser = np.where(valid, self.ads.advertiser_id[ad], -1 - column)
        valid &= ~repeats(advertiser)
        wanted = 1 + np.floor(uniform(seed, key, _WANTED) * _MOST_ADS).astype(np.int64)
        valid &= np.cumsum(valid, axis=1) <= wanted
        # A draw orders the page: later candidates are less near, as the near ones repeat advertisers.
        order = np.argsort(uniform(seed, key, _ORDER, column) + ~valid, axis=1, kind="stable")
        ad, valid = np.take_along_axis(ad, order, axis=1), np.take_along_axis(valid, order, axis=1)

        first = 1 + np.floor(uniform(seed, key, _FIRST) * _FIRST_POSITIONS).astype(np.int64)
        short = 1 + np.floor(uniform(seed, key, _GAP, column) * _SMALL_GAPS)
        long = _SMALL_GAPS + 1 + np.floor(uniform(seed, key, _GAP, column) * (_LONGEST_GAP - _SMALL_GAPS))
        gap = np.where(uniform(seed, key, _GAP_KIND, column) < _SMALL_SHARE, short, long).astype(np.int64)
        position = first + np.cumsum(np.where(column == 0, 0, gap), axis=1)
        before = visits.positions_since_ad[:, None]
        gap[:, :1] = np.where(before >= 0, before + first, 0)
        valid &= position <= PAGE_LENGTH
        visit, at = np.nonzero(valid)
        return Placed(visit, ad[visit, at], position[visit, at], gap[visit, at])

    def _candidates(self, visits: Visits, wants: Wants, key: np.ndarray) -> Int64:
        """Ad rows [n, 12]: each near an intent, or any ad at all.

        A near one is the nearest of a random handful: about one in fifty-six ads is nearer.
        """
        seed, ads = visits.seed, len(self.running)
        rows, column = np.arange(len(visits)), np.arange(_CANDIDATES)
        intents = (wants.weight > 0).sum(axis=1)
        chosen = np.floor(uniform(seed, key[:, 0], _INTENT) * intents).astype(np.int64)
        cosine = wants.intent[rows, chosen] @ self.ads.vector[self.running].T
        handful = int(np.clip(ads // _RANK, 1, _MOST_HANDFUL))
        rng = np.random.default_rng([seed, int(key[0, 0])])
        drawn = rng.integers(ads, size=(len(visits), _CANDIDATES * handful))
        near = np.take_along_axis(cosine, drawn, axis=1).reshape(-1, _CANDIDATES, handful).argmax(axis=2)
        # The first of each handful stands for any ad.
        at = np.where(uniform(seed, key, _MODE, column) < _RANDOM_SHARE, 0, near)
        return self.running[np.take_along_axis(drawn, column * handful + at, axis=1)]

    def _valid(self, visits: Visits, ad: Int64) -> np.ndarray:
        """bool like `ad` [n, k]: the visit's time and user may see the ad."""
        ads, takes = self.ads, self._takes
        user, time = visits.user[:, None], visits.time[:, None] // MICROS
        valid = (
            ads.active[ad]
            & (np.maximum(ads.created_at, ads.starts_at)[ad] <= time)
            & (time < ads.ends_at[ad])
        )
        valid &= takes["countries"][self._country[user], ad] & takes["languages"][self._language[user], ad]
        valid &= takes["devices"][self._device[user], ad] & takes["surfaces"][visits.surface[:, None], ad]
        takes_user: np.ndarray = valid & (self._takes_leaf[ad] & self.has_leaf[user]).any(axis=2)
        return takes_user
