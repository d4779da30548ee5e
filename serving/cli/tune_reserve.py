"""`adsrank tune reserve`: what each reserve would have earned, and the law of the bids beside it."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serving.cli.console import Json, bar, emit_json, out, table, units

if TYPE_CHECKING:
    from auction.reserve import Change, ReserveEstimate, ReserveSearch, SegmentReserves

EXAMPLE = "Example: adsrank tune reserve demo-out/serve/log --event click --out policy.yaml"


class Event(StrEnum):
    IMPRESSION = "impression"
    CLICK = "click"
    CONVERSION = "conversion"
    VIEW = "view"


class Objective(StrEnum):
    REVENUE = "revenue"
    NET = "net"


class By(StrEnum):
    ADVERTISER = "advertiser"
    CAMPAIGN = "campaign"
    CATEGORY = "category"


def run(
    log: Annotated[Path, typer.Argument(help="Folder of a decision log.")],
    event: Annotated[Event, typer.Option(help="The billable event whose reserve is sought.")] = Event.CLICK,
    objective: Annotated[
        Objective, typer.Option(help="revenue, or net of the organic value that ads displace.")
    ] = Objective.REVENUE,
    reserve: Annotated[
        list[int] | None, typer.Option(help="A reserve to try, in micros per event; repeat for several.")
    ] = None,
    by: Annotated[By | None, typer.Option(help="Also a reserve per segment, shrunk to the pool.")] = None,
    out_file: Annotated[
        Path | None, typer.Option("--out", help="Write the policy with the best reserve, YAML.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw revenue and fill by reserve here.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the resamples.")] = 0,
    as_json: Json = False,
) -> None:
    """Hold the log's auctions again under each reserve; estimate one from the bids, too."""
    from auction.billable import Billable
    from auction.picture import check_picture
    from auction.reserve import estimate_reserve, estimate_segment_reserves, logged_bids, search_reserve
    from auction.reserve.picture import draw_search

    billable = Billable[event.name]
    if plot is not None:
        check_picture(plot)
    with bar("reserve") as progress:
        bids = logged_bids(log, billable, progress=progress.decisions)
        law = estimate_reserve(bids.bid_micros, cluster=bids.advertiser, seed=seed)
        segments = None
        if by is not None:
            # What draws its bids together: a campaign within an advertiser, an advertiser elsewhere.
            drawn = {By.ADVERTISER: bids.campaign, By.CATEGORY: bids.advertiser, By.CAMPAIGN: None}[by]
            segments = estimate_segment_reserves(
                bids.bid_micros, bids.segment(by.value), cluster=drawn, seed=seed
            )
        found = search_reserve(
            log,
            billable,
            reserves=reserve or None,
            objective=objective.value,
            seed=seed,
            progress=progress.decisions,
        )
    if out_file is not None:
        _write(out_file, found.policy_yaml())
    if plot is not None:
        draw_search(found, law, plot)
    if as_json:
        data: dict[str, Any] = {"law": law.to_json(), "replay": found.to_json()}
        if segments is not None:
            data["segments"] = segments.to_json()
        emit_json(data)
        return
    _show(found, law, segments)
    for path in (out_file, plot):
        if path is not None:
            out.print(f"wrote {path}", markup=False)


def _show(found: "ReserveSearch", law: "ReserveEstimate", segments: "SegmentReserves | None") -> None:
    def change(one: "Change") -> str:
        return units(one.difference) + _range(one.low, one.high)

    table(
        f"{found.event} reserve over {found.decisions:,} decisions\nlogged: revenue "
        f"{units(found.logged_revenue_micros)}, fill {found.logged_fill:.1%}, organic value lost "
        f"{units(found.logged_organic_displaced_micros)}",
        ["reserve", "revenue", "change [95 %]", "fill", "lost", "net"],
        [
            [
                units(row.reserve_micros) + (" best" if row is found.best else ""),
                units(row.revenue.total),
                change(row.revenue),
                f"{row.fill:.1%}",
                units(row.organic_displaced.total),
                units(row.net.total),
            ]
            for row in found.rows
        ],
    )
    held = found.held_out_gain
    if held is not None:
        out.print(f"held-out gain in {found.objective}: {change(held)}", markup=False)
    if law.low_micros is None or law.high_micros is None:
        spread = "no interval: too few advertisers"
    else:
        spread = f"{units(law.low_micros)} to {units(law.high_micros)} by advertiser"
    out.print(
        f"from the law of {law.n:,} bids (Myerson): {units(law.reserve_micros)} ({spread}), "
        f"met by {law.sale_rate:.1%} of them",
        markup=False,
    )
    if segments is not None:
        table(
            f"by segment: the pool counts as {segments.concentration:,.1f} bids",
            ["segment", "reserve", "low", "high", "own bids", "weight", "bids"],
            [
                [
                    "any other" if row.segment is None else row.segment,
                    *(units(one) for one in (row.reserve_micros, row.low_micros, row.high_micros)),
                    units(row.own_micros),
                    f"{row.own_weight:.1%}",
                    f"{row.n:,}",
                ]
                for row in (segments.pool, *segments.rows[:40])
            ],
        )
    for note in found.notes:
        out.print(f"[dim]- {note}[/dim]")


def _range(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f" [{units(low)}, {units(high)}]"


def _write(path: Path, text: str) -> None:
    from auction.errors import InputError

    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(str(path), error.strerror, "give a file that can be written") from None
