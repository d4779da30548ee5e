"""Spreads a day's budget over the day: a state machine per campaign, spend in, multiplier out."""

import math
from collections.abc import Sequence
from enum import StrEnum

from pydantic import Field, field_validator

from auction.day import Day
from auction.errors import InputError
from auction.settings import Settings
from auction.target_curve import TargetCurve, check_shares


class Pacing(StrEnum):
    STANDARD = "standard"
    """Follow the target curve."""
    ACCELERATED = "accelerated"
    """Spend as fast as the market gives: the multiplier is 1 all day."""


class PacingSettings(Settings):
    """How a controller answers to being ahead of or behind its target curve."""

    mode: Pacing = Pacing.STANDARD
    hourly_share: tuple[float, ...] | None = Field(
        None, description="24 weights of the wall-clock hours (traffic); null: uniform in time."
    )
    response_s: float = Field(
        900.0, gt=0, le=86_400, description="Seconds of average spend ahead that cut the bid by a factor e."
    )
    floor: float = Field(0.01, gt=0, le=1, description="Lowest multiplier.")
    start: float = Field(1.0, gt=0, le=1, description="Multiplier of a campaign nothing is known of.")
    catch_up: float = Field(
        2.0, ge=1, le=24, description="Behind the curve, spend at most this multiple of its planned rate."
    )

    @field_validator("hourly_share")
    @classmethod
    def _usable(cls, value: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if value is not None:
            check_shares(value)
        return value


class PacingController:
    """Adaptive (dual) pacing of one campaign against a traffic-shaped target curve.

    The dual variable of the budget is kept as the logarithm of the multiplier and follows the
    subgradient of Balseiro and Gur (2019, "Learning in repeated auctions with budgets"):

        log m  <-  min(0, log m - (day length / response_s) * (spend - planned) / budget)

    where `planned` is what the curve gives to the time since the last observation out of the budget
    still unspent: being behind raises the plan (up to `catch_up` times the curve's own rate, so there is no
    spike at the end of the day), being ahead lowers it. Neither the spend nor log m is clipped from
    below, only the multiplier is (at `floor`): one click that is a third of a tiny budget silences the bid
    until the curve has about caught up with it.

    A new day starts with a full budget and the multiplier of the evening before. A controller made in
    the middle of a day is told what was `spent_micros` on it before. On the day a campaign `ends_at`
    (UTC seconds), its curve and "day length" end there.

    Raises:
        InputError: a negative budget, or an unknown zone.
    """

    def __init__(
        self,
        budget_micros: int,
        zone: str,
        now: float,
        settings: PacingSettings | None = None,
        spent_micros: int = 0,
        ends_at: float | None = None,
    ) -> None:
        self.settings = settings if settings is not None else PacingSettings()
        self.zone = zone
        self._log_multiplier = math.log(max(self.settings.start, self.settings.floor))
        self._day = Day.at(now, zone)
        self._ends_at = ends_at
        self._curve = self._shape(self._day)
        self._last = now
        self._spent = spent_micros
        self.budget_micros = _checked(budget_micros)

    def _shape(self, day: Day) -> TargetCurve:
        return TargetCurve(day, self.settings.hourly_share, self._ends_at)

    @property
    def multiplier(self) -> float:
        """Factor on the bid, in (0, 1]."""
        if self.settings.mode is Pacing.ACCELERATED:
            return 1.0
        return max(self.settings.floor, math.exp(self._log_multiplier))

    @property
    def spent_micros(self) -> int:
        """Spend observed since the day began."""
        return self._spent

    @property
    def target_micros(self) -> float:
        """Where the curve would have the day's spend at the last observation."""
        return self.budget_micros * self._curve.share(self._last)

    def rebudget(self, budget_micros: int, ends_at: float | None = None) -> None:
        """The advertiser changed the day's budget or the end; what was spent and learned stays."""
        self.budget_micros = _checked(budget_micros)
        if ends_at != self._ends_at:
            self._ends_at = ends_at
            self._curve = self._shape(self._day)

    def observe(self, spend_micros: int, now: float) -> None:
        """Account for `spend_micros` spent (or promised) since the last observation.

        A negative amount takes back a promise that expired. A time before the last one counts as
        the last one: shuffled observations move no clock backwards.
        """
        now = max(now, self._last)
        if now >= self._day.end:
            self._turn(now)
        before, after = self._curve.share(self._last), self._curve.share(now)
        planned = self._planned(before, after)
        self._spent += spend_micros
        self._last = now
        if self.budget_micros > 0:
            gain = self._curve.seconds / self.settings.response_s
            moved = self._log_multiplier - gain * (spend_micros - planned) / self.budget_micros
            self._log_multiplier = min(0.0, moved)

    def _planned(self, before: float, after: float) -> float:
        if after <= before:
            return 0.0
        left = max(0, self.budget_micros - self._spent)
        rest = left * (after - before) / (1.0 - before)
        return min(rest, self.settings.catch_up * self.budget_micros * (after - before))

    def _turn(self, now: float) -> None:
        self._day = Day.at(now, self.zone)
        self._curve = self._shape(self._day)
        self._last = self._day.start
        self._spent = 0
        self._log_multiplier = max(self._log_multiplier, math.log(self.settings.floor))


def _checked(budget_micros: int) -> int:
    if budget_micros < 0:
        raise InputError("budget_micros", budget_micros, "give micros, 0 or more")
    return budget_micros


def traffic_shares(counts: Sequence[float]) -> tuple[float, ...]:
    """24 hourly counts as shares that sum to 1; raises InputError where they are not usable."""
    total = float(sum(check_shares(counts)))
    return tuple(float(count) / total for count in counts)
