"""Meta-strategies side by side: how steadily they learn, and what it leads to."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..training.comparison import WINDOW, StrategyRun, jumps
from .plots import COLOURS, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def strategies_table(runs: Mapping[str, Sequence[StrategyRun]]) -> str:
    """Return one line for every run, as plain text."""
    head = (
        f"{'strategy':14} {'seed':>4} {'success (95 %)':>24} {'best weights (95 %)':>24} "
    )
    head += (
        f"{'last loss':>10} {'spikes':>6} {'worse than untrained':>20} {'non-finite':>10}"
    )
    lines = [head]
    for name, group in runs.items():
        for run in group:
            last = float(np.mean(run.losses[-WINDOW:]))
            lines.append(
                f"{name:14} {run.seed:4d} {f'{run.success:.1%}':>24} "
                f"{f'{run.best:.1%}':>24} {last:10.3f} {run.spikes:6d} "
                f"{run.relapses:20.1%} {float(np.mean(run.nonfinite)):10.2%}"
            )
        worst = min(group, key=lambda run: run.success.value)
        middle = float(np.median([run.success.value for run in group]))
        lines.append(
            f"{name:14}      median success {middle:.1%}, worst {worst.success.value:.1%}; "
            f"{sum(run.spikes for run in group)} spikes"
        )
    return "\n".join(lines)


def strategies_csv(runs: Mapping[str, Sequence[StrategyRun]]) -> str:
    """Return one row for every run, as comma-separated values."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["strategy", "seed", "success", "low", "high", "best", "best_low", "best_high"]
        + ["spikes", "worse_than_untrained", "nonfinite", "last_loss"]
    )
    for name, group in runs.items():
        for run in group:
            numbers = [run.relapses, run.nonfinite.mean(), run.losses[-WINDOW:].mean()]
            writer.writerow(
                [name, run.seed, *run.success, *run.best, run.spikes, *map(float, numbers)]
            )
    return text.getvalue()


def strategies_figure(
    runs: Mapping[str, Sequence[StrategyRun]],
    *,
    title: str,
    reference: float | None = None,
) -> "Figure":
    """Draw losses and success against updates, and success of every seed.

    Arguments:
        runs: of each strategy, one per seed.
        title: what was trained.
        reference: the global minimum's energy in natural units, as losses, if known.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(16, 4.8), dpi=130, layout="constrained")
    learning, centre, success = figure.subplots(1, 3, width_ratios=[1.4, 1, 1])
    _draw_losses(learning, runs, reference)
    learning.set_ylabel("meta-loss (natural units)")
    _draw_validation(centre, runs)
    _draw_success(success, runs)
    for axes in (centre, success):
        axes.set_ylim(-0.02, 1.02)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    tidy(learning, centre, success)
    learning.legend(frameon=True, framealpha=0.8, edgecolor="none", fontsize=9, ncols=2)
    figure.suptitle(title, fontsize=13)
    return figure


def _draw_losses(
    axes: "Axes", runs: Mapping[str, Sequence[StrategyRun]], reference: float | None
) -> None:
    axes.set(
        title="Mean loss of the population (median and range of seeds)",
        xlabel="meta-update",
    )
    shown = []
    for colour, (name, group) in zip(COLOURS, runs.items(), strict=False):
        length = min(len(run.losses) for run in group)
        curves = np.stack([run.losses[:length] for run in group])
        shown.append(curves[np.isfinite(curves)])
        updates = np.arange(1, length + 1)
        low, middle, high = np.percentile(curves, [0, 50, 100], axis=0)
        axes.fill_between(updates, low, high, color=colour, alpha=0.18, linewidth=0)
        axes.plot(updates, middle, color=colour, linewidth=1.3, label=name)
        # Small marks along the upper edge: no seed's accident is hidden in a band.
        at = np.flatnonzero(np.any([jumps(c) for c in curves], axis=0))
        axes.plot(
            updates[at],
            np.full(at.size, 0.985),
            "|",
            color=colour,
            transform=axes.get_xaxis_transform(),
        )
    # Explosions are marked, not drawn to scale: they would flatten everything else.
    everything = np.concatenate(shown)
    low, high = np.percentile(everything, [0.1, 99]) if everything.size else (0.0, 1.0)
    low = low if reference is None else min(low, reference)
    if high > 1e3:  # not bounded: explosions and the rest both matter
        axes.set_yscale("symlog", linthresh=100)
        axes.set_ylim(2 * low, 1e3 * high)
    else:
        axes.set_ylim(low - 0.05 * (high - low), high + 0.3 * (high - low) + 1e-6)
    if reference is not None:
        axes.axhline(
            reference, color="black", linestyle="--", linewidth=1, label="global minimum"
        )
    axes.plot([], [], "|", color="0.4", label="spike of any seed (upper edge)")
    axes.margins(x=0.01)


def _draw_validation(axes: "Axes", runs: Mapping[str, Sequence[StrategyRun]]) -> None:
    axes.set(
        title="Success of the centre (median and range)",
        xlabel="meta-update",
        ylabel="validation starts",
    )
    for colour, group in zip(COLOURS, runs.values(), strict=False):
        length = min(len(run.validated[0]) for run in group)
        updates = group[0].validated[0][:length]
        curves = np.stack([run.validated[1][:length] for run in group])
        low, middle, high = np.percentile(curves, [0, 50, 100], axis=0)
        axes.fill_between(updates, low, high, color=colour, alpha=0.18, linewidth=0)
        axes.plot(updates, middle, "o-", color=colour, linewidth=1.3, markersize=3)


def _draw_success(axes: "Axes", runs: Mapping[str, Sequence[StrategyRun]]) -> None:
    axes.set(title="Success of the last weights, by seed (95 %)", ylabel="held-out starts")
    for place, (colour, group) in enumerate(zip(COLOURS, runs.values(), strict=False)):
        x = place + np.linspace(-0.25, 0.25, len(group) + 2)[1:-1]
        rates = [run.success for run in group]
        values = np.array([rate.value for rate in rates])
        errors = np.array(
            [[r.value - r.low for r in rates], [r.high - r.value for r in rates]]
        )
        axes.errorbar(
            x, values, errors, fmt="o", color=colour, markersize=5, capsize=2, linewidth=1
        )
    axes.set_xticks(range(len(runs)), list(runs))
    axes.set_xlim(-0.5, len(runs) - 0.5)
