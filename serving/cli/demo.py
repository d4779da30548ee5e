"""`adsrank demo`: the whole path once, shown."""

from pathlib import Path
from typing import Annotated, Any

import typer

from serving.cli.console import CHECK_FAILED, Json, bar, emit_json, err, out, table, units
from serving.cli.train import training_table

EXAMPLE = "Example: adsrank demo --requests 1000 --out demo-out --json"


def run(
    out_folder: Annotated[Path, typer.Option("--out", help="Folder for everything the demo leaves.")] = Path(
        "demo-out"
    ),
    data: Annotated[
        Path | None, typer.Option(help="Pinterest user-pin data (train.txt.gz or its folder).")
    ] = None,
    requests: Annotated[int, typer.Option(help="Requests of the served day.", min=10)] = 2000,
    seed: Annotated[int, typer.Option(min=0)] = 7,
    as_json: Json = False,
) -> None:
    """Make a market, train, serve a day of it, settle its events, replay the log, write a report."""
    from serving.demo.report import write_report
    from serving.demo.run import DemoPlan, run_demo

    plan = DemoPlan(out=out_folder, seed=seed, data=data, requests=requests)
    result = run_demo(plan, bar)
    report = write_report(result, out_folder / "report.html")
    figures = result.to_json()
    if as_json:
        emit_json(figures)
    else:
        _show(figures)
        if result.traffic.sample:
            from serving.demo.feed import draw_feed

            draw_feed(out, *result.traffic.sample)
        verdict = "exact" if result.replay.exact else "NOT exact"
        out.print(
            f"\nreplay: {result.replay.decisions:,} decisions, {result.replay.differences} differences: "
            f"[bold]{verdict}[/bold]\nreport: {report}"
        )
        campaign = max(result.budgets, key=lambda row: row[2])[0] if result.budgets else 0
        out.print(
            f"next:   adsrank replay {result.replay.log} --policy configs/policies/first_price.yaml\n"
            f"        adsrank simulate bids {result.replay.log} --campaign {campaign}"
        )
    if not result.replay.exact or figures["over_budget_micros"]:
        err.print("[red]error:[/red] the replay differs or a budget was passed")
        raise typer.Exit(CHECK_FAILED)


def _show(figures: dict[str, Any]) -> None:
    table("market", ["what", "count"], [(k, f"{v:,}") for k, v in figures["market"].items()])
    table(*training_table(figures["training"]))
    latency = figures["latency_ms"]
    table(
        "a day of requests",
        ["what", "value"],
        [
            ("requests", f"{figures['requests']:,}"),
            ("latency p50 / p99, ms", f"{latency['p50']:.1f} / {latency['p99']:.1f}"),
            ("fill (feeds with ads)", f"{figures['fill']:.1%}"),
            ("ads a feed", f"{figures['ads_per_feed']:.2f}"),
            ("degraded to organic", f"{sum(figures['degraded'].values()):,}"),
            ("charged", units(figures["revenue_micros"])),
            ("of the day's budgets", units(figures["budget_micros"])),
            ("campaigns that spent all of theirs", figures["campaigns_out_of_budget"]),
            ("delivered free beyond a budget", units(figures["free_micros"])),
            ("charged over a budget", units(figures["over_budget_micros"])),
        ],
    )
    table(
        "PCOC on winners (predicted over observed)",
        ["event", "shown", "predicted", "observed", "PCOC", "95 % interval"],
        [
            [
                head,
                f"{row['shown']:,}",
                f"{row['predicted']:,.1f}",
                f"{row['observed']:,}",
                "-" if row["pcoc"] is None else f"{row['pcoc']:.3f}",
                "too few" if row["pcoc"] is None else f"{row['low']:.3f} to {row['high']:.3f}",
            ]
            for head, row in figures["pcoc_winners_by_head"].items()
        ],
    )
    reasons = sorted(figures["reasons"].items(), key=lambda pair: -pair[1])
    table("candidates by reason", ["reason", "candidates"], [(k, f"{v:,}") for k, v in reasons])
