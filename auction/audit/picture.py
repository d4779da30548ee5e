"""A picture of regret by slots."""

from pathlib import Path

from auction.audit.report import AuditReport, RegretRow
from auction.picture import new_picture, save_picture
from auction.policy import Pricing

COLOURS = {Pricing.SECOND_PRICE: "#c2410c", Pricing.VCG: "#0f766e", Pricing.FIRST_PRICE: "#64748b"}
MARKERS = {Pricing.SECOND_PRICE: "o", Pricing.VCG: "s", Pricing.FIRST_PRICE: "^"}


def draw_regret(report: AuditReport, path: str | Path) -> Path:
    """Write regret by slots and pricing rule to `path` (.png or .svg) and return it.

    Above, the share of shown ads that another bid would serve better; below, how much of what it gets at
    best a truthful ad forgoes, which is all of it where the own bid is the price.

    Raises:
        InputError: as `save_picture`.
    """
    figure = new_picture(6.4, 6.0)
    upper, lower = figure.subplots(2, 1, sharex=True)
    for pricing in Pricing:
        rows = [row for row in report.regret if row.pricing is pricing]
        slots = [row.slots for row in rows]
        style = {"color": COLOURS[pricing], "marker": MARKERS[pricing], "label": pricing.value}
        upper.plot(slots, [100 * row.ads_gaining for row in rows], **style)
        lower.plot(slots, [100 * _forgone(row) for row in rows], **style)
    upper.set_title(
        f"What a single misreport gains: {report.slates} slates, policy {report.policy!r}", loc="left"
    )
    upper.set_ylabel("shown ads that gain, %")
    lower.set_ylabel("gain of the best response's utility, %")
    lower.set_xlabel("most ads of a page")
    lower.set_xticks(sorted({row.slots for row in report.regret}))
    for axes in (upper, lower):
        axes.set_ylim(-4, 104)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="0.9")
    figure.legend(*upper.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return save_picture(figure, path, dpi=100)


def _forgone(row: RegretRow) -> float:
    """Gain over utility at the best bid: in [0, 1], 1 where the truthful bid keeps nothing."""
    if row.mean_gain_micros == 0.0:
        return 0.0
    return 1.0 if row.gain_of_utility is None else row.gain_of_utility / (1.0 + row.gain_of_utility)
