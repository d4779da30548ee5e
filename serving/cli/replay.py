"""`adsrank replay`: prove a log exact, or show what another policy would have changed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from serving.cli.console import CHECK_FAILED, Json, bar, emit_json, err, out, table, units

if TYPE_CHECKING:
    from auction.replay import PolicyComparison, ReplayReport

EXAMPLE = "Example: adsrank replay demo-out/serve/log --policy configs/policies/first_price.yaml"

MONEY = "_micros"


def run(
    log: Annotated[Path, typer.Argument(help="Folder of a decision log.")],
    policy: Annotated[
        Path | None, typer.Option(help="Another policy, YAML: what would it have changed?")
    ] = None,
    cores: Annotated[int, typer.Option(help="Threads that decide; the answers are the same.", min=1)] = 1,
    as_json: Json = False,
) -> None:
    """Decide every logged request again; exit 1 if an unchanged policy gives any other answer."""
    from auction.errors import InputError
    from auction.policy import AuctionPolicy
    from auction.replay import compare, replay

    other = AuctionPolicy.load(policy) if policy else None
    with bar("replay") as progress:
        if other is not None:
            compared = compare(log, other, progress=progress.decisions, cores=cores)
        else:
            replayed = replay(log, progress.decisions, cores=cores)
    if other is not None:
        emit_json(compared.to_json()) if as_json else _show_comparison(compared)
        return
    if replayed.decisions == 0:
        raise InputError(str(log), "no decision with an auction", "give a log that holds at least one")
    emit_json(replayed.to_json()) if as_json else _show_replay(replayed)
    if not replayed.exact:
        raise typer.Exit(CHECK_FAILED)


def _show_replay(report: "ReplayReport") -> None:
    verdict = "[green]exact[/green]" if report.exact else "[red]NOT exact[/red]"
    out.print(
        f"{report.decisions:,} decisions replayed, {report.differences:,} differences: {verdict}"
        + (f" ({report.not_held:,} held no auction)" if report.not_held else "")
    )
    for difference in report.first:
        err.print(str(difference), markup=False)


def _show_comparison(report: "PolicyComparison") -> None:
    def cell(metric: str, value: float | None) -> str:
        if value is None:
            return "-"
        return units(value) if metric.endswith(MONEY) else f"{value:,.1f}"

    table(
        f"policy {report.policy!r} over {report.decisions:,} decisions, {report.changed:,} of them changed",
        ["metric", "logged", "other", "difference", "95 % low", "high", "relative"],
        [
            [
                e.metric.removesuffix(MONEY),
                *(cell(e.metric, value) for value in (e.logged, e.other, e.difference, e.low, e.high)),
                "-" if e.relative is None else f"{e.relative:+.1%}",
            ]
            for e in report.estimates
        ],
    )
    out.print(f"fill {report.fill[0]:.1%} -> {report.fill[1]:.1%}; {report.method}")
    for note in report.notes:
        out.print(f"[dim]- {note}[/dim]")
