"""A frontier as files: a policy for every point of it, the picture, the data."""

import json
from pathlib import Path

import yaml

from auction.blend.frontier import Frontier
from auction.blend.picture import draw_frontier
from auction.blend.point import Point
from auction.errors import InputError


def write_frontier(frontier: Frontier, folder: str | Path) -> tuple[Path, ...]:
    """Write ``<name>.yaml`` for every point of the hull, ``chosen.yaml``, ``frontier.json`` and the picture.

    Each YAML is an `AuctionPolicy`, its exposure null: as logged.

    Raises:
        InputError: the folder cannot be written.
    """
    target = Path(folder)
    written = []
    try:
        target.mkdir(parents=True, exist_ok=True)
        for place, at in enumerate(frontier.hull):
            # The current policy keeps its own name inside the file; its place on the hull names the file.
            written.append(_write(target / f"blend-{place:02d}.yaml", frontier.points[at]))
        written.append(_write(target / "chosen.yaml", frontier.points[frontier.choice.single]))
        data = target / "frontier.json"
        data.write_text(json.dumps(frontier.to_json(), indent=2) + "\n", encoding="utf-8")
        written += [data, draw_frontier(frontier, target / "frontier.png")]
    except OSError as error:
        raise InputError(str(target), error.strerror, "give a folder that can be written") from None
    return tuple(written)


def _write(path: Path, point: Point) -> Path:
    change = (
        "" if point.revenue_change is None else f", revenue {point.revenue_change:+.2%} against the current"
    )
    text = yaml.safe_dump(point.policy.model_dump(mode="json"), sort_keys=False)
    measured = f"# Measured: organic value lost {point.organic_loss:.3%}{change}.\n"
    path.write_text(f"{measured}# Exposure null: as logged.\n{text}", encoding="utf-8")
    return path
