"""`adsrank tune blend`: exchange rate and ad load that earn most for the organic value they cost."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from serving.cli.console import Json, bar, emit_json, err, out, table, units

if TYPE_CHECKING:
    from auction.blend import Frontier, Point

EXAMPLE = "Example: adsrank tune blend demo-out/serve/log --max-organic-loss 0.02 --out blend-out"


def blend(
    log: Annotated[Path, typer.Argument(help="Folder of a decision log.")],
    max_organic_loss: Annotated[
        float | None,
        typer.Option(help="Greatest share of organic value lost; without a bound, what is lost today."),
    ] = None,
    min_revenue: Annotated[
        float | None,
        typer.Option(help="Instead, least revenue as a multiple of today's; organic loss is minimised."),
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(help="The current policy, YAML; by default the log's own.")
    ] = None,
    out_folder: Annotated[Path, typer.Option("--out", help="Folder for policies, picture and data.")] = Path(
        "blend-out"
    ),
    max_ads: Annotated[list[int] | None, typer.Option(help="Most ads of a feed to try; repeat.")] = None,
    max_share: Annotated[list[float] | None, typer.Option(help="Share of ads to try; repeat.")] = None,
    min_gap: Annotated[list[int] | None, typer.Option(help="Least gap between ads to try; repeat.")] = None,
    decisions: Annotated[int, typer.Option(help="About how many decisions to measure on.", min=1)] = 2000,
    seed: Annotated[int, typer.Option(help="Of the draw and the intervals.", min=0)] = 0,
    as_json: Json = False,
) -> None:
    """Maximise revenue at bounded organic loss, or the reverse; each point is a policy that replay takes."""
    from auction.blend.ad_load import ad_loads
    from auction.blend.bound import Bound
    from auction.blend.folder import write_frontier
    from auction.blend.sample import Sample
    from auction.blend.tune import tune_blend
    from auction.log.reader import DecisionLog
    from auction.policy import AuctionPolicy

    asked = max_organic_loss is not None or min_revenue is not None
    bound = Bound(max_organic_loss, min_revenue) if asked else None
    sample = Sample.of_log(DecisionLog(log), decisions, seed)
    current = AuctionPolicy.load(policy) if policy else sample.usual_policy()
    loads = ad_loads(
        current,
        max_ads=tuple(max_ads) if max_ads else None,
        max_share=tuple(max_share) if max_share else None,
        min_gap=tuple(min_gap) if min_gap else None,
    )
    with bar("blend") as progress:
        found = tune_blend(
            sample,
            bound,
            policy=current,
            loads=loads,
            seed=seed,
            progress=lambda done, total: progress(done, total, "policies"),
        )
    written = write_frontier(found, out_folder)
    if as_json:
        emit_json(found.to_json() | {"files": [str(path) for path in written]})
        return
    _show(found)
    out.print(f"written to {out_folder}: {', '.join(path.name for path in written)}", soft_wrap=True)
    err.print(f"next: adsrank replay {log} --policy {out_folder / 'chosen.yaml'}", soft_wrap=True)


def _show(found: "Frontier") -> None:
    hull = [found.points[at] for at in found.hull]
    current, chosen = found.points[found.current], found.points[found.choice.single]
    shown = {id(one): one for one in (*hull, current, chosen)}.values()
    table(
        f"{len(found.points)} policies on {found.decisions:,} of {found.of:,} decisions of {found.log}",
        ["policy", "rate", "rules", "organic loss", "revenue", "95 %", "ads/feed"],
        [
            _row(one, _mark(one, current, chosen))
            for one in sorted(shown, key=lambda one: (one.organic_loss, one.revenue_micros))
        ],
    )
    out.print("rate: micros per unit of organic utility; rules: least gap / most share / most ads; *: chosen")
    out.print(f"bound: {_bound(found)}")
    choice = found.choice
    out.print(
        f"best single policy: {chosen.policy.name}, organic loss {chosen.organic_loss:.3%}, revenue "
        f"{units(chosen.revenue_micros)}{'' if chosen is not current else ' (the current one)'}"
    )
    if choice.low != choice.high:
        low, high = (found.points[at].policy.name for at in (choice.low, choice.high))
        out.print(
            f"best mixture: {high} for {choice.high_share:.1%} of requests, {low} for the rest: organic loss "
            f"{choice.organic_loss:.3%}, revenue x{choice.revenue:.4f}; there 1 % of organic value is worth "
            f"{choice.multiplier / 100:.2%} of today's revenue"
        )
    out.print(f"[dim]{found.method}[/dim]")
    for note in found.notes:
        out.print(f"[dim]- {note}[/dim]")


def _mark(point: "Point", current: "Point", chosen: "Point") -> str:
    marks = [" (current)"] if point is current else []
    marks += [" *"] if point is chosen else []
    return "".join(marks)


def _row(point: "Point", mark: str) -> list[str]:
    rules, ends = point.policy.rules, point.revenue_interval
    return [
        f"{point.policy.name}{mark}",
        f"{point.policy.exchange_rate:.5g}",
        f"{rules.min_gap}/{rules.max_share:.3g}/{rules.max_ads}",
        f"{point.organic_loss:.2%}",
        units(point.revenue_micros) if point.revenue_change is None else f"{point.revenue_change:+.1%}",
        "-" if ends.low is None or ends.high is None else f"{100 * ends.low:+.1f} {100 * ends.high:+.1f}",
        f"{point.ads_per_decision:.2f}",
    ]


def _bound(found: "Frontier") -> str:
    if found.bound.max_organic_loss is not None:
        return f"at most {found.bound.max_organic_loss:.3%} of organic value lost; revenue maximised"
    return f"at least {found.bound.min_revenue:.4g} times today's revenue; organic value lost minimised"
