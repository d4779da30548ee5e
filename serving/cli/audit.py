"""`adsrank audit auction`: who could gain by a misreport, what each rule costs, which identities hold."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from serving.cli.console import CHECK_FAILED, Json, bar, emit_json, err, out, table

if TYPE_CHECKING:
    from auction.audit import AuditReport
    from auction.policy import AuctionPolicy

app = typer.Typer(name="audit", help="Proofs on a market at hand.", no_args_is_help=True)

EXAMPLE = "Example: adsrank audit auction demo-out/serve/log --slates 100 --plot regret.png"

SAMPLED_ADS, SAMPLED_ORGANICS = (6, 16), (12, 30)


@app.callback()
def audit() -> None:
    """Proofs on a market at hand."""


@app.command(epilog=EXAMPLE)
def auction(
    log: Annotated[
        Path | None, typer.Argument(help="Folder of a decision log; without one, slates are made up.")
    ] = None,
    slates: Annotated[int, typer.Option(help="Slates to look at.", min=1, max=10_000)] = 60,
    slots: Annotated[
        list[int] | None, typer.Option(help="Most ads of a page; repeat for several.", min=1, max=32)
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(help="Another policy, YAML, instead of the logged one.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Equal seeds draw equal slates.", min=0)] = 0,
    plot: Annotated[Path | None, typer.Option(help="Write a picture of regret by slots here.")] = None,
    as_json: Json = False,
) -> None:
    """Audit the auction: regret of every pricing rule by slots, shadow prices of the feed rules, identities.

    Exit 1 if an identity fails, or if `vcg` leaves anything to gain beyond the rounding of a micro.
    """
    import numpy as np

    from auction.audit import SLOTS
    from auction.audit import audit as run
    from auction.audit.logged import check_charges, logged_slates
    from auction.audit.picture import draw_regret
    from auction.log import DecisionLog
    from auction.picture import check_picture
    from auction.policy import AuctionPolicy
    from auction.replay.compare import with_exposure
    from auction.simulation.sample import sample_slates

    other = AuctionPolicy.load(policy) if policy else None
    if plot is not None:
        check_picture(plot)
    if log is not None:
        opened = DecisionLog(log)
        batch, own = logged_slates(opened, slates, seed)
        more = [check_charges(opened)]
    else:
        batch = sample_slates(np.random.default_rng(seed), slates, SAMPLED_ADS, SAMPLED_ORGANICS)
        own, more = _sampled_policy(), []
    with bar("audit") as progress:
        report = run(
            batch,
            own if other is None else with_exposure(other, own),
            slots=slots or SLOTS,
            source="sampled slates" if log is None else str(log),
            more=more,
            progress=lambda done, total: progress(done, total, "slates x slots"),
        )
    if plot is not None:
        draw_regret(report, plot)
    emit_json(report.to_json()) if as_json else _show(report, plot)
    if not report.holds:
        raise typer.Exit(CHECK_FAILED)


def _sampled_policy() -> "AuctionPolicy":
    """Rules of every kind, at the scale of `sample_slates`: an ad is worth about .02 a look."""
    from auction.policy import AuctionPolicy, Exposure, FeedRules, Quality, Reserve

    return AuctionPolicy(
        name="sampled",
        exchange_rate=15_000.0,
        rules=FeedRules(relevance_floor=0.05),
        exposure=Exposure(
            examination=[round(0.95**s, 6) for s in range(40)], gap_effect=[0.4, 0.6, 0.8, 0.9]
        ),
        reserve=Reserve(
            impression_micros=5_000, click_micros=100_000, conversion_micros=2_000_000, view_micros=20_000
        ),
        quality=Quality(save_micros=40_000.0, hide_micros=200_000.0),
    )


def _show(report: "AuditReport", plot: Path | None) -> None:
    def percent(share: float | None) -> str:
        return "-" if share is None else f"{100 * share:.1f}"

    out.print(f"{report.slates:,} slates of {report.source}, policy {report.policy!r}", markup=False)
    for pricing in dict.fromkeys(row.pricing for row in report.regret):
        table(
            f"{pricing.value}: what one other bid gains a shown ad, per request",
            ["slots", "ads", "gain %", "bidders %", "mean micros", "p95", "utility %", "shade %"],
            [
                [
                    row.slots,
                    f"{row.ads:,}",
                    percent(row.ads_gaining),
                    percent(row.advertisers_gaining),
                    f"{row.mean_gain_micros:,.0f}",
                    f"{row.p95_gain_micros:,.0f}",
                    percent(row.gain_of_utility),
                    percent(row.mean_shade),
                ]
                for row in report.regret
                if row.pricing is pricing
            ],
        )
    out.print(
        "[dim]gain, bidders: shown ads and advertisers that gain; utility: gains over truthful utilities; "
        "shade: what the best bid takes off the value[/dim]"
    )
    table(
        "what a rule costs: value a page gains where it gives way by one step",
        ["rule", "change", "pages bound", "micros a page"],
        [
            [
                price.rule.removeprefix("rules.").removesuffix("_micros"),
                price.change,
                f"{price.bound_slates:,} of {report.slates:,}",
                f"{price.value_micros / report.slates:,.1f}",
            ]
            for price in report.shadow
        ],
    )
    for each in report.identities:
        verdict = "[green]holds[/green]" if each.holds else f"[red]BROKEN {each.broken:,} times[/red]"
        out.print(f"{each.name}: {each.says}: {verdict} ({each.checked:,} checked)")
        for said in each.first:
            err.print(said, markup=False)
    words = {
        True: "[green]nothing[/green]",
        False: "[red]SOMETHING[/red]",
        None: "not tested: a soft floor is set",
    }
    out.print(f"vcg: a single misreport gains beyond rounding: {words[report.vcg_is_truthful]}")
    for note in report.notes:
        out.print(f"[dim]- {note}[/dim]")
    if plot is not None:
        out.print(f"picture: {plot}", markup=False)
