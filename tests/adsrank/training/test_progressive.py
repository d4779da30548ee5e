import numpy as np
import pytest

from adsrank.errors import InputError
from adsrank.training.delay import Feedback, LateLogistic
from adsrank.training.progressive import progressive

DAY = 86_400.0


def log(n=6000, days=20.0, seed=0, rate=0.2):
    """Clicks over `days`, exponential delays of a day in a window of four."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 1))
    p = 1 / (1 + np.exp(-(x[:, 0] + np.log(rate / (1 - rate)))))
    delay = np.where(rng.random(n) < p, rng.exponential(DAY, n), np.nan)
    elapsed = rng.random(n) * days * DAY
    return x, Feedback.observe(delay, elapsed, 4 * DAY)


class Spy:
    """Predicts the mean of what was known, and keeps what it was shown."""

    def __init__(self):
        self.shown = []

    def __call__(self, rows, known):
        self.shown.append((rows, known))
        rate = known.conversion.mean()
        return lambda asked: np.full(len(asked), rate)


def test_a_step_learns_from_what_had_arrived_and_is_scored_once_windows_closed():
    _, feedback = log()
    spy = Spy()
    walk = progressive(feedback, spy, every_s=DAY, first_s=12 * DAY, replicates=20)
    assert len(walk.steps) == 8
    for step, (rows, known) in zip(walk.steps, spy.shown, strict=True):
        assert feedback.elapsed_s[rows].min() >= step.ago_s
        assert np.nanmax(known.delay_s + step.ago_s - feedback.elapsed_s[rows]) <= 1e-6  # nothing of later
        assert step.known == known.conversion.sum()
        assert step.known + step.to_come == feedback.conversion[rows].sum()
        assert step.to_come > 0
    scored = ~np.isnan(walk.predictions)
    assert np.array_equal(scored, (feedback.elapsed_s < 12 * DAY) & feedback.mature)
    assert walk.overall.rows == scored.sum() == sum(step.figures.rows for step in walk.steps)


def test_predictions_do_not_change_with_labels_that_come_later():
    x, feedback = log(1500)

    def learn(rows, known):
        model = LateLogistic("importance").fit(x[rows], known)
        return lambda asked: model.predict(x[asked])

    whole = progressive(feedback, learn, every_s=4 * DAY, first_s=8 * DAY, replicates=20)
    # The first step's model ran 8 days before the end: take back all that came since.
    came = feedback.delay_s <= feedback.elapsed_s - 8 * DAY
    earlier = Feedback(
        came.astype(float), np.where(came, feedback.delay_s, np.nan), feedback.elapsed_s, 4 * DAY
    )
    again = progressive(earlier, learn, every_s=4 * DAY, first_s=8 * DAY, replicates=20)
    assert np.array_equal(whole.predictions, again.predictions, equal_nan=True)


def test_it_shows_naive_labels_predicting_too_little():
    x, feedback = log(8000)

    def walk(late):
        def learn(rows, known):
            recent = known.elapsed_s < 5 * DAY
            model = LateLogistic(late).fit(x[rows[recent]], known.take(recent))
            return lambda asked: model.predict(x[asked])

        return progressive(feedback, learn, every_s=2 * DAY, first_s=12 * DAY, replicates=50).overall

    naive, modelled = walk("naive"), walk("delayed_feedback")
    assert naive.pcoc.high < 1
    assert 1.0 in modelled.pcoc
    assert modelled.normalized_entropy.value < naive.normalized_entropy.value < 1
    assert modelled.auc.value > 0.6


def test_a_day_without_conversions_has_no_figures_and_the_walk_goes_on():
    _, feedback = log()
    quiet = (feedback.elapsed_s >= 9 * DAY) & (feedback.elapsed_s < 10 * DAY)
    delay = np.where(quiet, np.nan, feedback.delay_s)
    silent = Feedback.observe(delay, feedback.elapsed_s, 4 * DAY)
    walk = progressive(silent, Spy(), every_s=DAY, first_s=12 * DAY, replicates=20)
    none = walk.steps[2].figures
    assert none.conversions == 0
    assert none.rows > 100
    assert (none.normalized_entropy, none.auc, none.pcoc) == (None, None, None)
    assert walk.steps[3].figures.pcoc is not None
    assert walk.to_json()["steps"][2]["pcoc"] is None


def test_intervals_are_drawn_by_cluster():
    _, feedback = log(3000)
    own = progressive(feedback, Spy(), every_s=4 * DAY, first_s=8 * DAY, replicates=100)
    user = np.random.default_rng(1).integers(0, 30, 3000)
    few = progressive(feedback, Spy(), every_s=4 * DAY, first_s=8 * DAY, replicates=100, cluster=user)
    assert few.overall.pcoc.value == own.overall.pcoc.value
    assert few.overall.pcoc.low != own.overall.pcoc.low


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"every_s": 0.0}, "every_s"), ({"first_s": 4 * DAY}, "first_s"), ({"first_s": 30 * DAY}, "first_s")],
)
def test_a_walk_that_leads_nowhere_is_refused(changes, field):
    _, feedback = log(500)
    with pytest.raises(InputError) as refused:
        progressive(feedback, Spy(), **{"every_s": DAY, "first_s": 8 * DAY, **changes})
    assert refused.value.field == field


def test_predictions_that_are_no_probabilities_are_refused():
    _, feedback = log(500)
    with pytest.raises(InputError, match="probabilities"):
        progressive(
            feedback, lambda rows, known: lambda asked: np.full(len(asked), 2.0), every_s=DAY, first_s=8 * DAY
        )
