"""The picture of a training run, and how pictures are written."""

import io
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from ..io import write_atomically
from ..potentials import Units
from ..tasks import Task
from .structure import draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette, which the colour-blind can tell apart; learned comes first.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
GREY = "#8c8c8c"

Trace = tuple[ArrayLike, ArrayLike]
"""Steps, and one row of energies a start."""


def training_figure(
    *,
    updates: ArrayLike,
    losses: ArrayLike,
    validation: tuple[ArrayLike, ArrayLike] | None = None,
    traces: Mapping[str, Trace],
    energies: Mapping[str, ArrayLike],
    reference: float | None,
    title: str,
    units: Units,
    tolerance: float,
    structure: tuple[Task, Float[np.ndarray, "n d"]] | None = None,
) -> "Figure":
    """Draw learning curve, energy against steps, final energies, and a structure.

    Values that are not finite are left out and counted.

    Arguments:
        updates: numbers of the meta-updates.
        losses: meta-loss of each.
        validation: updates and mean lowest energies on validation starts, in the unit of
            the losses, if any.
        traces: for each optimizer, the steps and one row of energies a start.
        energies: for each optimizer, the final energy of every start, after its quench.
        reference: the global minimum's energy, if known.
        title: what was trained.
        units: of all energies.
        tolerance: how far from `reference` an energy still counts as a hit.
        structure: task and positions of the lowest structure, if there is one.

    Raises:
        ValueError: if there is not one loss an update, or one energy a step.
    """
    from matplotlib.figure import Figure

    names = list(dict.fromkeys([*traces, *energies]))
    colours = {n: COLOURS[i % len(COLOURS)] for i, n in enumerate(names)}
    # A figure of its own, without pyplot: no global state, no display.
    shown = 3 if structure is None else 4
    figure = Figure(figsize=(15 if structure is None else 18, 4.6), dpi=130)
    figure.set_layout_engine("constrained")
    widths = [1, 1, 1, 0.62][:shown]
    panels = figure.subplots(1, shown, width_ratios=widths)
    learning, descent, final = panels[:3]
    if structure is not None:
        task, positions = structure
        draw(panels[3], task, positions)
        panels[3].set_title("The lowest structure")
    _draw_learning(learning, updates, losses, validation)
    _draw_descent(descent, traces, reference, colours)
    _draw_final(final, energies, reference, tolerance, colours)
    descent.set_ylabel(units.label("energy"))
    final.set_xlabel(units.label("final energy, quenched"))
    tidy(learning, descent, final)
    for axes in (learning, descent, final):
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=True, framealpha=0.8, edgecolor="none", fontsize=9)
    figure.suptitle(title, fontsize=13)
    return figure


def tidy(*panels: "Axes") -> None:
    """Give axes the look of the house: open above and to the right, a pale grid."""
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="0.92", linewidth=0.8)
        axes.set_axisbelow(True)


def write_figure(path: str | os.PathLike[str], figure: "Figure") -> None:
    """Write a figure as PNG.

    Arguments:
        path: where; an existing file is replaced, atomically.
        figure: what to write.

    Raises:
        OSError: if the file cannot be written.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    write_atomically(path, buffer.getvalue())


def _draw_learning(
    axes: "Axes",
    updates: ArrayLike,
    losses: ArrayLike,
    validation: tuple[ArrayLike, ArrayLike] | None,
) -> None:
    axes.set(
        title="What training reaches",
        xlabel="update of the network's weights",
        ylabel="mean energy of searches (natural units)",
    )
    x, y = np.asarray(updates), np.asarray(losses, float)
    if x.shape != y.shape:
        raise ValueError(f"losses: {y.size} for {x.size} updates; give one loss an update.")
    good = np.isfinite(y)
    shown = [y[good]]
    if good.any():
        axes.plot(x[good], y[good], color=GREY, linewidth=1, label="while training")
    if validation is not None and np.size(validation[0]):
        value = np.asarray(validation[1], float)
        shown.append(value[np.isfinite(value)])
        axes.plot(
            np.asarray(validation[0]),
            np.where(np.isfinite(value), value, np.nan),
            "o-",
            color=COLOURS[0],
            markersize=5,
            linewidth=1.5,
            label="on starts kept apart",
        )
    _limit(axes, np.concatenate(shown))
    if not good.all():
        # Along the upper edge, whatever the scale of the losses.
        axes.plot(
            x[~good],
            np.full((~good).sum(), 0.98),
            "x",
            color=COLOURS[5],
            transform=axes.get_xaxis_transform(),
            label=f"not finite ({(~good).sum()} of {y.size})",
        )


def _limit(axes: "Axes", values: np.ndarray) -> None:
    """Keep a few early outliers from flattening the curve."""
    if not values.size:
        return
    low, high = values.min(), np.percentile(values, 99)
    margin = 0.15 * (high - low)
    if margin > 0:
        axes.set_ylim(low - margin, high + margin)


def _draw_descent(
    axes: "Axes",
    traces: Mapping[str, Trace],
    reference: float | None,
    colours: Mapping[str, str],
) -> None:
    axes.set(
        title="Energy along the way (median, 10–90 % of starts)",
        xlabel="step (one evaluation each)",
    )
    lowest, ends = [], []
    for name, (steps, rows) in traces.items():
        x, y = np.asarray(steps), np.atleast_2d(np.asarray(rows, float))
        if y.shape[1] != x.size:
            raise ValueError(
                f"traces[{name!r}]: {y.shape[1]} energies for {x.size} steps; give one "
                "energy a step, one row a start."
            )
        low, median, high = bands(y)
        axes.fill_between(x, low, high, color=colours[name], alpha=0.2, linewidth=0)
        axes.plot(x, median, color=colours[name], linewidth=2, label=name)
        known = np.isfinite(median)
        if known.any():
            lowest.append(low[known].min())
            ends.append(high[known][-1])
    if reference is not None:
        lowest.append(reference)
        _mark(axes.axhline, reference, "global minimum")
    if ends:
        # Starts may lie many orders of magnitude higher: show where it is decided.
        floor = min(lowest)
        span = max(2.5 * (max(ends) - floor), 0.02 * abs(floor), 1e-6)
        axes.set_ylim(floor - 0.06 * span, floor + span)
    axes.margins(x=0.01)


def _mark(line: Callable[..., Any], reference: float, label: str) -> None:
    line(reference, color="black", linestyle="--", linewidth=1, label=label)


def bands(rows: np.ndarray) -> np.ndarray:
    """Return the 10, 50 and 90 % quantiles over starts; NaN where none is finite."""
    result = np.full((3, rows.shape[1]), np.nan)
    for column in range(rows.shape[1]):
        values = rows[:, column]
        values = values[np.isfinite(values)]
        if values.size:
            result[:, column] = np.percentile(values, [10, 50, 90])
    return result


def _draw_final(
    axes: "Axes",
    energies: Mapping[str, ArrayLike],
    reference: float | None,
    tolerance: float,
    colours: Mapping[str, str],
) -> None:
    axes.set(title="Where the starts end", ylabel="starts")
    values = {name: np.asarray(v, float) for name, v in energies.items()}
    good = {name: v[np.isfinite(v)] for name, v in values.items()}
    everything = np.concatenate([np.empty(0), *good.values()])
    if everything.size:
        low = everything.min() if reference is None else min(everything.min(), reference)
        # The highest few would squeeze all others into one bar.
        high = np.percentile(everything, 99.5)
        width = max(high - low, 1e-3 * max(abs(low), 1)) / 40
        edges = low + width * (np.arange(42) - 0.5)
        for name, kept in good.items():
            style: dict[str, Any] = {"color": colours[name], "bins": edges}
            shown = np.clip(kept, edges[0], edges[-1])
            axes.hist(shown, alpha=0.35, **style)
            axes.hist(
                shown,
                histtype="step",
                linewidth=1.5,
                label=_summary(name, values[name], reference, tolerance),
                **style,
            )
    # Five numbers have room, with minus sign and decimals.
    axes.locator_params(axis="x", nbins=5)
    if reference is not None:
        _mark(axes.axvline, reference, f"global minimum {number(reference)}")


def _summary(
    name: str, values: np.ndarray, reference: float | None, tolerance: float
) -> str:
    good = values[np.isfinite(values)]
    if reference is not None:
        hits = int(np.sum(np.abs(good - reference) <= tolerance))
        text = f"{name}: {hits} of {values.size} hit ({hits / max(values.size, 1):.1%})"
    elif good.size:
        text = f"{name}: lowest of {values.size} is {number(good.min())}"
    else:
        text = name
    lost = values.size - good.size
    return f"{text}, {lost} not finite" if lost else text


def number(value: float) -> str:
    """Return an energy as pictures write it."""
    # With the same minus sign as on the axes.
    return f"{value:.4f}".replace("-", "−")
