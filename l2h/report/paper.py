"""The tables and figures of the paper's appendix, our numbers beside its own."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..evaluation import Trials
from ..tasks import Task
from .plots import COLOURS, GREY, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Published = Mapping[tuple[str, str], float]
"""Mean energies that the paper prints, by task and method."""


def transfer_table(results: Sequence[Sequence[Trials]], published: Published) -> str:
    """Return mean quenched energies (standard errors) of methods in rows, tasks in
    columns, the paper's beside ours, as plain text.

    Arguments:
        results: for each task, the trials of all methods.
        published: the paper's means; where it has none, its place is empty.
    """
    names = list(dict.fromkeys(t.method for group in results for t in group))
    width = max(map(len, [*names, "evaluations each"]))

    def line(head: str, cells: Sequence[tuple[str, str]]) -> str:
        return f"{head:{width}}" + "".join(f" {a:>18} {b:>8}" for a, b in cells)

    lines = [
        f"mean of {results[0][0].starts} starts (standard error)",
        line("", [(group[0].task.name, "paper") for group in results]),
    ]
    for name in names:
        cells = []
        for group in results:
            row = next((t.summary() for t in group if t.method == name), None)
            theirs = published.get((group[0].task.name, name))
            ours = "-" if row is None else f"{row['mean']:.2f} ({row['mean_error']:.2f})"
            # Starts without any energy are not averaged, and must not be overlooked.
            lost = "" if row is None or not row["without_energy"] else "*"
            cells.append((ours + lost, "" if theirs is None else f"{theirs:.1f}"))
        lines.append(line(name, cells))
    minima = [group[0].task.reference for group in results]
    shown = [("-" if e is None else f"{e:.2f}", "") for e in minima]
    lines.append(line("global minimum", shown))
    budgets = [(f"{group[0].budget:,}", "") for group in results]
    lines.append(line("evaluations each", budgets))
    if "*" in "".join(lines):
        lines.append("* without the starts that ended without any finite energy")
    return "\n".join(lines)


def transfer_figure(results: Sequence[Sequence[Trials]], published: Published) -> "Figure":
    """Draw mean energies of all methods, one panel a task, the paper's beside ours.

    Arguments:
        results: for each task, the trials of all methods.
        published: the paper's means.
    """
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(t.method for group in results for t in group))
    size = (4.2 * len(results) + 1.5, 0.5 * len(names) + 1.8)
    figure = Figure(figsize=size, dpi=130, layout="constrained")
    panels = figure.subplots(1, len(results), sharey=True, squeeze=False)[0]
    for axes, group in zip(panels, results, strict=True):
        task = group[0].task
        for trials in group:
            place, row = names.index(trials.method), trials.summary()
            axes.errorbar(
                row["mean"], place, xerr=row["mean_error"], fmt="o", color=COLOURS[0]
            )
            theirs = published.get((task.name, trials.method))
            if theirs is not None:
                axes.plot(theirs, place, "D", color=COLOURS[1], fillstyle="none")
        if task.reference is not None:
            axes.axvline(task.reference, color="black", linestyle="--", linewidth=1)
        axes.set(
            title=f"{task.name}, {group[0].budget:,} evaluations",
            xlabel=task.units.label("mean energy"),
        )
    panels[0].set_yticks(range(len(names)), names)
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    panels[0].plot([], [], "o", color=COLOURS[0], label="ours (standard error)")
    panels[0].plot([], [], "D", color=COLOURS[1], fillstyle="none", label="the paper's")
    panels[0].plot([], [], "--", color="black", linewidth=1, label="global minimum")
    _finish(figure, panels)
    return figure


def sizes_figure(results: Sequence[Sequence[Trials]]) -> "Figure":
    """Draw by how much mean energies exceed the global minimum, against cluster size.

    Arguments:
        results: for each size, the trials of all methods; tasks must have references.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.5, 5), dpi=130, layout="constrained")
    axes = figure.subplots()
    names = [trials.method for trials in results[0]]
    ordered = sorted(results, key=lambda group: group[0].task.n)
    ends = []
    for colour, name in zip(COLOURS, names, strict=False):
        group = [next(t for t in g if t.method == name) for g in ordered]
        x = np.array([trials.task.n for trials in group])
        y = np.array([above(trials) for trials in group])
        error = np.array([_per_atom(t, t.summary()["mean_error"]) for t in group])
        style = "--" if name.startswith(("Adam", "FIRE")) else "-"
        axes.fill_between(x, y - error, y + error, color=colour, alpha=0.15, linewidth=0)
        axes.plot(x, y, style, marker="o", color=colour, markersize=4, label=name)
        ends.append(y)
    # What explodes at sizes never trained on must not flatten everything else.
    finite = np.concatenate(ends)
    finite = finite[np.isfinite(finite)]
    if finite.size:
        axes.set_ylim(-0.01, 1.15 * float(np.percentile(finite, 95)) + 0.02)
    trials = results[0][0]
    axes.set(
        title=f"Mean of {trials.starts} starts, {trials.budget:,} evaluations each",
        xlabel="atoms",
        ylabel="energy above the global minimum, per atom (ε)",
    )
    axes.axhline(0, color="black", linewidth=1)
    _finish(figure, [axes])
    return figure


def above(trials: Trials) -> float:
    """Return the mean energy above the reference, per atom, in natural energies."""
    reference = math.nan if trials.reference is None else trials.reference
    return _per_atom(trials, trials.summary()["mean"] - reference)


def _per_atom(trials: Trials, energy: float) -> float:
    return energy / (trials.task.n * trials.task.unit)


def composition(task: Task) -> tuple[str, int]:
    """Return pair of metals and number of atoms of the first, such as ("Ag-Au", 19)."""
    if task.symbols is None:
        raise ValueError(f"task: {task.name} is no alloy; take one such as Ag19Au19.")
    counts = Counter(task.symbols)
    return "-".join(counts), next(iter(counts.values()))


def excess(task: Task, energy: float, ends: tuple[float, float]) -> float:
    r"""Return the excess (mixing) energy of an alloy cluster.

    With m atoms of the first metal and n - m of the second,

    \[ \Delta = E(A_m B_{n-m}) - \frac{m}{n} E(A_n) - \frac{n - m}{n} E(B_n). \]

    Arguments:
        task: the alloy.
        energy: E of the alloy (eV).
        ends: E of the pure clusters of n atoms (eV), by the alloy's own parameters.
    """
    share = composition(task)[1] / task.n
    return energy - share * ends[0] - (1 - share) * ends[1]


def excess_rows(
    results: Sequence[Sequence[Trials]],
    ends: Mapping[str, tuple[float, float]],
    trained: Sequence[str],
) -> list[dict[str, Any]]:
    """Return one row for each task and method: all of its summary, and excess energies
    (eV) of the mean and of the lowest.

    Arguments:
        results: for each alloy, the trials of all methods.
        ends: pure clusters' energies, by pair of metals.
        trained: names of the tasks that were trained on.
    """
    rows = []
    for trials in (t for group in results for t in group):
        task, row = trials.task, trials.summary()
        pair, first = composition(task)
        rows.append(
            {
                "pair": pair,
                "first": first,
                "trained_on": task.name in trained,
                "excess_mean": excess(task, row["mean"], ends[pair]),
                "excess_lowest": excess(task, row["lowest"], ends[pair]),
                **row,
            }
        )
    return rows


def excess_figure(rows: Sequence[Mapping[str, Any]]) -> "Figure":
    """Draw excess energies against composition, one panel a pair of metals.

    Arguments:
        rows: as `excess_rows` returns them.
    """
    from matplotlib.figure import Figure

    pairs = list(dict.fromkeys(row["pair"] for row in rows))
    names = list(dict.fromkeys(row["optimizer"] for row in rows))
    size = (4.3 * len(pairs) + 0.5, 4.4)
    figure = Figure(figsize=size, dpi=130, layout="constrained")
    panels = figure.subplots(1, len(pairs), squeeze=False)[0]
    for axes, pair in zip(panels, pairs, strict=True):
        here = [row for row in rows if row["pair"] == pair]
        for colour, name in zip(COLOURS, names, strict=False):
            own = sorted(
                (row for row in here if row["optimizer"] == name), key=lambda r: r["first"]
            )
            x = [row["first"] for row in own]
            means, errors = ([row[k] for row in own] for k in ("excess_mean", "mean_error"))
            axes.errorbar(x, means, errors, color=colour, label=f"{name}, mean", capsize=2)
            axes.plot(x, [row["excess_lowest"] for row in own], "_", color=colour)
            known = [
                (a, b) for a, b, row in zip(x, means, own, strict=True) if row["trained_on"]
            ]
            if known and name.startswith("learned"):
                axes.plot(*zip(*known, strict=True), "o", color=colour, markersize=7)
        unseen = not any(row["trained_on"] for row in here)
        first, second = pair.split("-")
        axes.set(
            title=f"{first}-{second}{', a pair never trained on' if unseen else ''}",
            xlabel=f"atoms of {first}, the rest {second}",
        )
        axes.axhline(0, color=GREY, linewidth=1)
    panels[0].set_ylabel("excess energy (eV)")
    panels[0].plot([], [], "_", color="0.4", label="lowest of all starts")
    panels[0].plot([], [], "o", color=COLOURS[0], label="trained on")
    _finish(figure, panels)
    return figure


def _finish(figure: "Figure", panels: "Sequence[Axes]") -> None:
    tidy(*panels)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=min(len(labels), 6), fontsize=9
    )
