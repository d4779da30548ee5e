"""The demo's HTML report: one file, no outside request."""

from importlib.resources import files
from pathlib import Path

import numpy as np
from jinja2 import Environment

from serving.demo import plots
from serving.demo.run import DemoResult


def write_report(result: DemoResult, path: Path) -> Path:
    """Write the report to `path` and return it."""
    template = files("serving.demo").joinpath("report.html.j2").read_text(encoding="utf-8")
    page = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(template)
    limit, spent = (np.array([row[k] for row in result.budgets], np.float64) for k in (1, 2))
    law = result.market.truth().law
    truth = np.array(law.exposure.examination)
    winners = result.winners
    pictures = {
        "latency": plots.latency(np.array(result.traffic.latency_ms)),
        "reasons": plots.reasons({k: v for k, v in result.reasons.items() if k != "shown"}),
        "prices": plots.prices(winners.charges_by_setter()),
        "budgets": plots.budgets(limit, spent),
        "reliability": plots.reliability(
            winners.probability["click"] * winners.exposure, result.labels["click"]
        ),
        "exposure": plots.exposure(
            np.array(result.learned_examination), truth[: len(result.learned_examination)]
        ),
    }
    sample = result.traffic.sample
    path.write_text(
        page.render(
            figures=result.to_json(),
            pictures=pictures,
            request=sample[0] if sample else None,
            feed=sample[1] if sample else None,
            name=result.market.world.name,
        ),
        encoding="utf-8",
    )
    return path
