"""Late conversions in TalkingData's clicks and installs, with their real delays.

The public sample has 100,000 clicks of three days and 227 installs: half of them within three minutes of
the click, a tenth after four hours, none after thirteen. A walk forward in time, an hour or three a step,
trains on the newest hours, where labels are missing, and is scored once windows have closed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.preprocessing import OneHotEncoder

from adsrank.data.talkingdata import read_talkingdata
from adsrank.training.delay import DelayCurve, Feedback, LateConversions, LateLogistic
from adsrank.training.progressive import Learn, Predict, progressive

SAMPLE = Path(__file__).resolve().parents[2] / "shared" / "data" / "talkingdata" / "train_sample.csv.gz"
SECOND = np.timedelta64(1, "s")
HOUR_S = 3600.0
WINDOW_S = 12 * HOUR_S
CATEGORIES = ["app", "channel", "os", "device"]
LATE: tuple[LateConversions, ...] = ("naive", "importance", "delayed_feedback")


@dataclass(frozen=True, slots=True)
class Installs:
    """The clicks, oldest first."""

    x: csr_matrix
    delay_s: np.ndarray
    """NaN without an install."""
    age_s: np.ndarray
    """Before the end of the log."""

    @classmethod
    def read(cls, path: Path = SAMPLE) -> "Installs":
        """The sample, each category of fewer than 20 clicks being one of the rest."""
        table = read_talkingdata(path)
        click, install = (table[name].to_numpy() for name in ("click_time", "attributed_time"))
        encoder = OneHotEncoder(min_frequency=20, handle_unknown="infrequent_if_exist")
        x = encoder.fit_transform(table.select(CATEGORIES).to_pandas()).tocsr()
        return cls(x, (install - click) / SECOND, (click[-1] - click) / SECOND)

    def take(self, rows: np.ndarray) -> "Installs":
        """Those clicks."""
        return Installs(self.x[rows], self.delay_s[rows], self.age_s[rows])

    @property
    def feedback(self) -> Feedback:
        """What is known at the end of the log."""
        return Feedback.observe(self.delay_s, self.age_s, WINDOW_S)

    def learner(self, late: LateConversions, x: csr_matrix, hours: float, *, oracle: bool = False) -> Learn:
        """A logistic regression on the newest `hours`; the law of the delay comes from all clicks so far."""

        def learn(rows: np.ndarray, known: Feedback) -> Predict:
            newest = known.elapsed_s < hours * HOUR_S
            own, seen = rows[newest], known.take(newest)
            if oracle:
                seen = Feedback.observe(self.delay_s[own], np.full(len(own), WINDOW_S), WINDOW_S)
            law = DelayCurve.fit(known) if late in ("importance", "delayed_feedback") else None
            model = LateLogistic(late, law=law).fit(x[own], seen)
            return lambda asked: model.predict(x[asked])

        return learn


def walk(
    clicks: Installs, x: csr_matrix, hours: float, every: float, first_s: float
) -> dict[str, np.ndarray]:
    """Predictions [n] of each way, and of the oracle, whose labels never are late; NaN where not scored."""
    learners: dict[str, Learn] = {late: clicks.learner(late, x, hours) for late in LATE}
    learners["oracle"] = clicks.learner("naive", x, hours, oracle=True)
    return {
        name: progressive(
            clicks.feedback, learn, every_s=every * HOUR_S, first_s=first_s, replicates=0
        ).predictions
        for name, learn in learners.items()
    }


def full(clicks: Installs) -> dict[str, np.ndarray]:
    """Models of all categories on all clicks so far, three hours a step."""
    return walk(clicks, clicks.x, 1e9, 3.0, float(clicks.age_s.max()) - 12 * HOUR_S)


def level(clicks: Installs) -> dict[str, np.ndarray]:
    """A model of the first day, whose level and slope are refitted hourly on the newest six hours."""
    first_s = float(clicks.age_s.max()) - 24 * HOUR_S
    day = np.flatnonzero(clicks.age_s >= first_s)
    base = LateLogistic("naive").fit(clicks.x[day], clicks.feedback.take(day).ago(first_s)).predict(clicks.x)
    score = np.log(base / (1 - base))
    score = (score - score[day].mean()) / score[day].std()
    return walk(clicks, csr_matrix(score[:, None]), 6.0, 1.0, first_s - 1.0)


def resampled(
    clicks: Installs, verb: Callable[[Installs], dict[str, np.ndarray]], count: int, seed: int
) -> list[dict[str, np.ndarray]]:
    """`verb` of `count` bootstrap logs: clicks drawn with replacement, training and scoring anew."""
    rng = np.random.default_rng(seed)
    n = len(clicks.delay_s)
    return [verb(clicks.take(np.sort(rng.integers(0, n, n)))) for _ in range(count)]
