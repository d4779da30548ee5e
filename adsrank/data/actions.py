"""What users did before a visit: their history in the world, then what they did on the session's pages."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from adsrank.data.draw import uniform
from adsrank.data.world import DAY_S, MICROS, TIME_SPAN, Action, Float32, Float64, Int8, Int32, Int64, World
from adsrank.request import MAX_ACTIONS, ActionType

if TYPE_CHECKING:
    from adsrank.data.visit import Visits

_FRESH = 6
"""Most actions of a session before a page of it: three a page."""
_APART_S = 6
_TURNED_COLUMNS = 20
_TURNED, _KIND, _WHEN = 106, 107, 108

_STORED = {
    Action.SAVE: ActionType.SAVE,
    Action.CLICK: ActionType.CLICK,
    Action.LONG_VIEW: ActionType.LONG_VIEW,
}
_IN_SESSION = (
    (ActionType.CLICK, 0.40),
    (ActionType.SAVE, 0.25),
    (ActionType.HIDE, 0.20),
    (ActionType.LONG_VIEW, 0.15),
)
_PULL = {ActionType.SAVE: 1.0, ActionType.CLICK: 0.6, ActionType.LONG_VIEW: 0.4, ActionType.HIDE: -1.5}
_HALF_LIFE_S = 5.0 * DAY_S


@dataclass(frozen=True, slots=True)
class Actions:
    """Columns [n, 100] of the last actions before n visits, the newest last; 0 in front where none is."""

    interest: Int32
    """Leaf node."""
    kind: Int8
    """`ActionType.code`."""
    age_us: Int64
    """Microseconds before the visit."""

    @property
    def age_s(self) -> Float32:
        return seconds(self.age_us)

    def warmth(self, visit: Int64, interest: Int32) -> Float64:
        """`warmth` of pairs of visit rows and interests, arrays of equal length."""
        pull = pulls(self.kind, self.age_s)
        return warmth(np.where(self.interest[visit] == interest[:, None], pull[visit], 0.0))


def seconds(age_us: Int64) -> Float32:
    """As `features.columns` gives the age of a request's action."""
    return (age_us / MICROS).astype(np.float32)


def pulls(kind: Int8, age_s: Float32) -> Float64:
    """How much an action draws its user back to its interest: by type, halved every five days."""
    of_kind = np.zeros(1 + max(each.code for each in ActionType))
    for action, pull in _PULL.items():
        of_kind[action.code] = pull
    drawn: Float64 = of_kind[kind] * np.exp2(-age_s.astype(np.float64) / _HALF_LIFE_S)
    return drawn


def warmth(pulls_of_interest: Float64) -> Float64:
    """In (-1, 1): how warm a user is to an interest, from the pulls of the actions on it [n, k]."""
    drawn: Float64 = np.tanh(0.5 * pulls_of_interest.sum(axis=-1))
    return drawn


def before(world: World, visits: "Visits", focus: Int64, second: Int64) -> Actions:
    """The actions before each visit; `focus` and `second` are rows of the session's interests."""
    users = world.users
    # One search finds, for every visit, the actions of its user before its second.
    known = np.searchsorted(world.action_key, visits.user * TIME_SPAN + visits.time // MICROS)
    fresh = np.minimum(3 * visits.page, _FRESH).astype(np.int64)[:, None]
    column = np.arange(MAX_ACTIONS)[None, :]
    new = column >= MAX_ACTIONS - fresh
    row = known[:, None] - (MAX_ACTIONS - fresh) + column
    old = ~new & (row >= users.action_offset[visits.user][:, None])
    interest = np.zeros((len(visits), MAX_ACTIONS), np.int32)
    kind = np.zeros(interest.shape, np.int8)
    age = np.zeros(interest.shape, np.int64)
    interest[old] = world.pins.interest[users.action_pin[row[old]]]
    kind[old] = np.array([_STORED[each].code for each in Action], np.int8)[users.action_type[row[old]]]
    visit = np.nonzero(old)[0]
    age[old] = visits.time[visit] - users.action_time[row[old]] * MICROS

    tail = slice(MAX_ACTIONS - _FRESH, None)
    place = np.arange(_TURNED_COLUMNS - _FRESH, _TURNED_COLUMNS)[None, :]
    turned = uniform(visits.seed, visits.session[:, None], _TURNED, place) < 0.25
    mine = np.where(turned, second[:, None], focus[:, None])
    number = np.maximum(np.arange(_FRESH)[None, :] - (_FRESH - fresh), 0)  # of the action in its session
    drawn = uniform(visits.seed, visits.session[:, None], _KIND, number)
    kinds = np.array([each.code for each, _ in _IN_SESSION], np.int8)
    share = np.cumsum([share for _, share in _IN_SESSION])[:-1]
    early = uniform(visits.seed, visits.session[:, None], _WHEN, number) / 2
    ago = np.rint(_APART_S * (_FRESH - np.arange(_FRESH)[None, :] - early) * MICROS).astype(np.int64)
    new = new[:, tail]
    interest[:, tail][new] = users.interest[mine[new]]
    kind[:, tail][new] = kinds[np.searchsorted(share, drawn[new])]
    age[:, tail][new] = ago[new]
    # The session's own are the newest, whatever the second of an older one.
    age = np.maximum.accumulate(age[:, ::-1], axis=1)[:, ::-1]
    return Actions(interest, kind, np.where(kind > 0, age, 0))
