"""The pictures of the demo's report, as self-contained SVG text."""

import io
from collections.abc import Mapping

import matplotlib

matplotlib.use("Agg")
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, ADS, ORGANIC, WARN = "#1f2933", "#c2410c", "#0f766e", "#b91c1c"
Floats = npt.NDArray[np.float64]


def _axes(title: str, x: str, y: str, size: tuple[float, float] = (5.2, 3.2)) -> tuple[Figure, Axes]:
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, loc="left", fontsize=10, color=INK)
    axes.set_xlabel(x, fontsize=8)
    axes.set_ylabel(y, fontsize=8)
    axes.tick_params(labelsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure, axes


def _svg(figure: Figure) -> str:
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()[text.getvalue().index("<svg") :]


def latency(milliseconds: Floats) -> str:
    """Histogram of the answers' latency with p50 and p99."""
    figure, axes = _axes("Latency of an answer, as the mixer sees it", "milliseconds", "requests")
    p50, p99 = np.percentile(milliseconds, [50, 99])
    axes.hist(milliseconds, bins=np.linspace(0, p99 * 1.3, 60).tolist(), color=ORGANIC)
    for value, name in ((p50, "p50"), (p99, "p99")):
        axes.axvline(value, color=INK, linewidth=1, linestyle=":")
        axes.annotate(f" {name} {value:.1f}", (value, axes.get_ylim()[1] * 0.92), fontsize=8)
    return _svg(figure)


def reasons(counts: Mapping[str, int]) -> str:
    """Bars: why candidates are not in the feed."""
    kept = sorted(((n, name) for name, n in counts.items() if n), reverse=True)[:12][::-1]
    figure, axes = _axes("Why candidates are not in the feed", "candidates (log scale)", "")
    axes.barh([name for _, name in kept], [n for n, _ in kept], color=ORGANIC)
    axes.set_xscale("log")
    return _svg(figure)


def reliability(predicted: Floats, labels: Floats) -> str:
    """Predicted against observed clicks of shown ads, in bins of equal count with 95 % intervals."""
    figure, axes = _axes("Clicks of shown ads: predicted and observed", "predicted rate", "observed rate")
    order = np.argsort(predicted)
    bins = [part for part in np.array_split(order, 10) if len(part)]
    x = np.array([predicted[part].mean() for part in bins])
    y = np.array([labels[part].mean() for part in bins])
    half = 1.96 * np.sqrt(np.maximum(y * (1 - y), 1e-9) / [len(part) for part in bins])
    top = max(x.max(), (y + half).max()) * 1.1 if len(bins) else 1.0
    axes.plot([0, top], [0, top], color=INK, linewidth=0.8, linestyle=":")
    axes.errorbar(x, y, yerr=half, fmt="o", color=ADS, markersize=4, linewidth=1)
    return _svg(figure)


def prices(micros_by_setter: Mapping[str, Floats]) -> str:
    """Expected charge of an impression by who set the price."""
    figure, axes = _axes(
        "Expected price of 1,000 looks, by what set it", "currency units (log scale)", "ads shown"
    )
    named = {name: np.maximum(np.asarray(v) / 1e3, 1e-3) for name, v in micros_by_setter.items() if len(v)}
    if named:
        edges = np.geomspace(
            min(v.min() for v in named.values()), max(v.max() for v in named.values()) * 1.01, 40
        )
        axes.hist(
            list(named.values()),
            bins=edges.tolist(),
            stacked=True,
            label=list(named),
            color=[ADS, ORGANIC, "#94a3b8", "#475569"][: len(named)],
        )
        axes.set_xscale("log")
        axes.legend(fontsize=8, frameon=False)
    return _svg(figure)


def budgets(limit_micros: Floats, spent_micros: Floats) -> str:
    """Spend against budget, one point a campaign that spent; nothing may stand above the line."""
    some = spent_micros > 0
    title = f"Spend against the day's budget ({some.sum()} of {len(some)} campaigns spent)"
    figure, axes = _axes(title, "budget (log scale)", "spent (log scale)")
    limit_micros, spent_micros = limit_micros[some], spent_micros[some]
    limit, spent = limit_micros / 1e6, spent_micros / 1e6
    if len(limit):
        line = np.array([limit.min(), limit.max()])
        axes.plot(line, line, color=INK, linewidth=0.8, linestyle=":")
        axes.scatter(limit, spent, s=10, color=np.where(spent_micros > limit_micros, WARN, ADS), alpha=0.7)
        axes.set_xscale("log")
        axes.set_yscale("log")
    return _svg(figure)


def exposure(learned: Floats, truth: Floats) -> str:
    """Examination by position: what the model learned from the log, beside the market's truth."""
    figure, axes = _axes("Examination by position", "position", "share of looks")
    axes.plot(np.arange(1, len(truth) + 1), truth, color=INK, linestyle=":", label="the market's truth")
    axes.plot(np.arange(1, len(learned) + 1), learned, color=ADS, label="learned from the log")
    axes.set_ylim(0, 1.05)
    axes.legend(fontsize=8, frameon=False)
    return _svg(figure)
