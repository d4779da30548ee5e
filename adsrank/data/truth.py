"""How users really react to ads: known to tests and to the simulator of users, never to the engine.

Given that an ad is seen, the log-odds of a click, a save, a hide and of a conversion after a click are
sums of effects that a model can learn (match of intent, interest, recent actions, ad, advertiser,
format, device, hour, country, age) and of some that it cannot (a draw per user and interest, a draw
per request and ad). Intercepts are set so that base rates hold in any world.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from scipy.special import expit

from adsrank.data import draw
from adsrank.data.context import Context, of_request, of_visits
from adsrank.data.creative import FORMATS
from adsrank.data.inventory import Inventory
from adsrank.data.law import Law
from adsrank.data.population import DEVICES
from adsrank.data.visit import Visits, Wants, describe, plan
from adsrank.data.world import Float64, Int64, World
from adsrank.request import AdRequest
from auction.errors import InputError


@dataclass(frozen=True, slots=True)
class Chances:
    """True probabilities, columns of length n: click, save and hide given seen."""

    click: Float64
    save: Float64
    hide: Float64
    conversion_given_click: Float64


# Which latent draw; never renumbered within a release.
_AD, _AD_SAVE, _AD_SALE, _ADVERTISER, _ADVERTISER_SALE, _USER, _USER_SALE, _LIKING, _REGION = range(1, 10)
_NOISE, _NOISE_SALE, _NOISE_HIDE = range(10, 13)
_PICK = 50
_SAMPLE, _SAMPLED_ADS, _MOST_ADS = 600, 24, 4000
_FORMAT_EFFECT = {"image": 0.0, "video": 0.12, "carousel": 0.05, "collection": -0.1}
_ON_DEVICE = {("video", "phone"): 0.15, ("carousel", "desktop"): 0.2, ("collection", "tablet"): 0.2}
_DEVICE_EFFECT = {"phone": 0.05, "desktop": -0.2, "tablet": 0.0}


class Truth:
    """The truth of one market: a world, its ads and a seed.

    Args:
        world: whose users react.
        rows: catalog rows of its ads (dicts with `kind`).
        seed: of all latent qualities and of every reaction.
        law: sizes of the effects.

    Raises:
        InputError: rows without ads or parents, or ads of another dimension, interest tree or format.
    """

    def __init__(
        self, world: World, rows: Iterable[Mapping[str, Any]], seed: int, law: Law | None = None
    ) -> None:
        self.world = world
        self.seed = seed
        self.law = Law() if law is None else law
        self.inventory = Inventory.of(rows)
        self._check()
        self._latent_of_ads()
        self._latent_of_users()
        self._low, self._high, self._gain = 0.0, 1.0, 1.0
        self._click = self._save = self._hide = self._sale = 0.0
        self._fit_base_rates()

    def _normal(self, which: int, *key: draw.Part) -> Float64:
        return draw.normal(self.seed, which, *key)

    def _check(self) -> None:
        ads = self.inventory
        if ads.vector.shape[1] != self.world.dimension:
            raise InputError(
                "ads.embedding",
                f"{ads.vector.shape[1]} values",
                f"{self.world.dimension} values, as the pins",
            )
        for name, column, legal in (
            ("interests[0]", ads.interest, self.world.tree.leaves),
            ("format", ads.format, np.array(FORMATS)),
        ):
            wrong = np.flatnonzero(~np.isin(column, legal))
            if len(wrong):
                value = column[wrong[0]].item()
                raise InputError(f"ad {ads.ad_id[wrong[0]]}: {name}", value, "one that the world has")

    def _latent_of_ads(self) -> None:
        ads, law = self.inventory, self.law
        self._ad = law.quality_sd * self._normal(_AD, ads.ad_id)
        self._ad_save = 0.3 * self._normal(_AD_SAVE, ads.ad_id) + 0.5 * self._ad
        self._advertiser = law.quality_sd * self._normal(_ADVERTISER, ads.advertiser_id)
        self._ad_sale = 0.5 * self._normal(_ADVERTISER_SALE, ads.advertiser_id)
        self._ad_sale += 0.25 * self._normal(_AD_SALE, ads.ad_id)
        table = np.array([[_ON_DEVICE.get((f, d), 0.0) for d in (*DEVICES, "")] for f in FORMATS])
        table += np.array([_FORMAT_EFFECT[f] for f in FORMATS])[:, None]
        table += np.array([_DEVICE_EFFECT.get(d, 0.0) for d in (*DEVICES, "")])[None, :]
        self._on_device = table[[FORMATS.index(f) for f in ads.format]]
        self._leaf: Int64 = self.world.tree.leaf_index(ads.interest)

    def _latent_of_users(self) -> None:
        users, law = self.world.users, self.law
        rows = np.arange(len(users.user_id))
        owner = np.repeat(rows, np.diff(users.interest_offset))
        leaves = len(self.world.tree.leaves)
        self._weight = np.zeros((len(rows), leaves), np.float32)
        self._weight[owner, self.world.tree.leaf_index(users.interest)] = users.interest_weight
        self._taste = np.full((len(rows), leaves), -1, np.int64)
        self._taste[owner, self.world.tree.leaf_index(users.interest)] = np.arange(len(owner))
        self._user = law.taste_sd * self._normal(_USER, rows)
        self._user_sale = 0.4 * self._normal(_USER_SALE, rows)

    def _fit_base_rates(self) -> None:
        """Scale the match and set the intercepts on visits and ads drawn from the seed."""
        visits = plan(self.world, self.seed, datetime.fromtimestamp(self.world.epoch, UTC), 7 * 24, _SAMPLE)
        wants = describe(self.world, visits)
        ads = np.arange(len(self.inventory.ad_id))
        if len(ads) > _MOST_ADS:
            ads = np.sort(np.argsort(draw.bits(self.seed, _PICK, self.inventory.ad_id))[:_MOST_ADS])
        vectors = self.inventory.vector[ads].T
        cosine = np.max([wants.intent[:, k] @ vectors for k in range(wants.intent.shape[1])], axis=0)
        best = min(50, max(1, len(ads) // 4))
        nearest = np.argsort(-cosine, axis=1, kind="stable")[:, :best]
        self._low = float(cosine.mean())
        self._high = max(float(np.take_along_axis(cosine, nearest, axis=1).mean()), self._low + 0.05)

        visit = np.repeat(np.arange(_SAMPLE), _SAMPLED_ADS)
        drawn = draw.uniform(self.seed, _PICK, np.arange(len(visit)))
        anything = self._pairs(visits, wants, visit, ads[(drawn * len(ads)).astype(np.int64)])
        matched = self._pairs(visits, wants, visit, ads[nearest[visit, (drawn * best).astype(np.int64)]])
        self._gain = 0.0
        plain, plain_matched = self._log_odds(anything).click, self._log_odds(matched).click
        self._gain = 1.0
        slope = self._log_odds(anything).click - plain
        slope_matched = self._log_odds(matched).click - plain_matched

        def excess(gain: float) -> float:
            constant = _intercept(plain + gain * slope, self.law.click_rate)
            rate = expit(plain_matched + gain * slope_matched + constant).mean()
            return float(rate) - self.law.matched_click_rate

        self._gain = _root(excess, 0.0, 4.0)
        odds = self._log_odds(anything)
        self._click = _intercept(odds.click, self.law.click_rate)
        self._save = _intercept(odds.save, self.law.save_rate)
        self._hide = _intercept(odds.hide, self.law.hide_rate)
        clicked = expit(odds.click + self._click)
        self._sale = _intercept(odds.conversion_given_click, self.law.conversion_rate, clicked)

    def _pairs(self, visits: Visits, wants: Wants, visit: Int64, ad: Int64) -> Context:
        return of_visits(self.world, self.inventory, visits, wants, visit, ad)

    def _log_odds(self, c: Context) -> Chances:
        """Log-odds of the four events, before their intercepts."""
        known = np.maximum(c.user, 0)
        stranger = c.user < 0
        leaf = self._leaf[c.ad]
        taste = self._taste[known, leaf]
        own = np.einsum("nd,nd->n", self.world.users.interest_vector[taste], self.inventory.vector[c.ad])
        own = np.where((taste < 0) | stranger, 0.0, own)
        weight = np.where(stranger, 0.0, self._weight[known, leaf])
        match = np.clip((c.similarity - self._low) / (self._high - self._low), -0.75, 1.25)
        near = match + 0.45 * own + 0.3 * np.sqrt(weight) + 0.5 * np.sqrt(c.recent_share)
        near += self.law.warmth * c.warmth
        near *= self._gain

        pair = draw.bits(self.seed, c.request_key, self.inventory.ad_id[c.ad])
        local = (c.hour + c.utc_offset) % 24
        evening = 0.18 * np.cos((local - 21.0) * (2 * np.pi / 24))
        region = 0.12 * draw.normal(self.seed, _REGION, c.utc_offset, leaf)
        liking = self.law.taste_sd * draw.normal(self.seed, _LIKING, known, leaf)
        person = np.where(stranger, 0.0, self._user[known] + liking)
        noise = self.law.noise_sd * draw.normal(pair, _NOISE)
        worn = -0.10 * np.log1p(np.maximum(c.ad_age_days, 0.0) / 7.0)
        shown = self._ad[c.ad] + self._advertiser[c.ad] + self._on_device[c.ad, c.device] + worn
        # A good advertiser gains more from a good match.
        both = 0.35 * self._advertiser[c.ad] * np.maximum(match, 0.0)
        click = near + shown + both + evening + region + person + noise

        save = 0.7 * near + self._ad_save[c.ad] + 0.3 * region + 0.6 * person + 0.5 * noise - 0.3 * evening
        strange = draw.normal(pair, _NOISE_HIDE)
        hide = -0.8 * near - 0.7 * self._ad[c.ad] - 0.6 * self._advertiser[c.ad] - 2.0 * worn + 0.4 * strange
        chance = draw.normal(pair, _NOISE_SALE)
        buyer = np.where(stranger, 0.0, self._user_sale[known])
        desk = np.where(c.device == DEVICES.index("desktop"), 0.25, 0.0)
        sale = 0.35 * near + self._ad_sale[c.ad] + buyer + desk + 0.3 * self._ad[c.ad] + 0.3 * chance
        return Chances(click, save, hide, sale)

    def chances(self, context: Context) -> Chances:
        """True probabilities of each row of `context`."""
        odds = self._log_odds(context)
        return Chances(
            click=expit(odds.click + self._click),
            save=expit(odds.save + self._save),
            hide=expit(odds.hide + self._hide),
            conversion_given_click=expit(odds.conversion_given_click + self._sale),
        )

    def context(self, request: AdRequest, ad_ids: Sequence[int] | Int64) -> Context:
        """The rows of one request and the ads of interest.

        Raises:
            InputError: an ad that is not in the market, or intents of another dimension.
        """
        return of_request(self.world, self.inventory, request, np.asarray(ad_ids, np.int64))


def _intercept(log_odds: Float64, rate: float, weight: Float64 | None = None) -> float:
    """The constant that makes the weighted mean of sigmoid(constant + log_odds) equal `rate`."""
    return _root(
        lambda constant: float(np.average(expit(log_odds + constant), weights=weight)) - rate, -30.0, 30.0
    )


def _root(rising: Callable[[float], float], low: float, high: float) -> float:
    """Where a rising function crosses zero, by bisection; the nearer end where it does not."""
    for _ in range(40):
        middle = (low + high) / 2
        if rising(middle) < 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2
