"""The first decision compiles and loads; no caller should wait for that."""

import numpy as np
import structlog

from adsrank.engine import Engine
from adsrank.request import AdRequest, Intent, OrganicItem, Surface
from adsrank.settings import EngineSettings
from auction.budget import OpenBudgets
from auction.frequency import FrequencyCounter

log = structlog.get_logger()

ROUNDS = 3
PATIENCE_MS = 10_000


def warm_up(engine: Engine) -> None:
    """Decide a few requests like real ones on `engine`'s release, with nobody's money and no record."""
    release = engine.release
    settings = EngineSettings(rank=engine.settings.rank, deadline_ms=PATIENCE_MS)
    twin = Engine(release, OpenBudgets(), FrequencyCounter(1000), settings)
    embedded = np.flatnonzero(release.snapshot.embedded)
    rows = embedded[np.linspace(0, len(embedded) - 1, 4).astype(int)] if len(embedded) else embedded
    intents = [Intent(embedding=release.snapshot.embedding[row].tolist()) for row in rows]
    for number in range(ROUNDS):
        for surface in Surface:
            request = AdRequest(
                request_id=f"warm-{surface}-{number}",
                user_id="warm",
                surface=surface,
                intents=intents,
                user_interests=[int(release.snapshot.interest[row]) for row in rows],
                organic=[OrganicItem(id=str(item), utility=0.01) for item in range(25)],
            )
            decision = twin.decide(request)
    log.info("warm", degraded=decision.degraded, ads=len(decision.ads))
