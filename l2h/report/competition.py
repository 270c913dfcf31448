"""Files, pictures and the table of a competition."""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..evaluation import Trials, distinct, hit_curve
from ..io import plain, write_atomically, write_extxyz
from .plots import COLOURS, GREY, number, tidy, write_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

KEPT = 10
BINS = 60


def write_competition(
    folder: Path, results: Sequence[Sequence[Trials]], circumstances: Mapping[str, Any]
) -> list[Path]:
    """Write numbers, pictures and lowest structures; return the paths.

    `results.csv` and `results.json` hold the same numbers; those whose names begin with
    "seconds" are the only ones that differ between repetitions. The JSON file also holds
    the circumstances. Names of pictures and structures end in the task's name.

    Arguments:
        folder: where; it must exist.
        results: for each task, the trials of all methods.
        circumstances: settings, command and machine.
    """
    rows = [trials.summary() for group in results for trials in group]
    table_file, numbers = folder / "results.csv", folder / "results.json"
    write_atomically(table_file, rows_csv(rows))
    content = {**circumstances, "results": plain(rows)}
    write_atomically(numbers, json.dumps(content, indent=1) + "\n")
    paths = [table_file, numbers]
    for group in results:
        task = group[0].task
        picture = folder / f"competition-{task.name}.png"
        write_figure(picture, competition_figure(group))
        paths.append(picture)
        if task.potential.space.invariant:  # a structure, not the point of a function
            structures = folder / f"lowest-{task.name}.extxyz"
            if _write_lowest(structures, group):
                paths.append(structures)
    return paths


def _write_lowest(path: Path, group: Sequence[Trials]) -> bool:
    """Write the lowest different structures that any optimizer found, if there are any."""
    task = group[0].task
    energies = np.concatenate([trials.energies for trials in group])
    positions = np.concatenate([trials.positions for trials in group])
    chosen = distinct(task, energies, positions)[:KEPT]
    if not chosen:
        return False
    write_extxyz(
        path,
        task.potential,
        positions[chosen],
        symbols=task.symbols,
        energies=energies[chosen],
    )
    return True


def rows_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows of the same columns as comma-separated values; cells of what is not a
    number are empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: _cell(v) for k, v in row.items()} for row in rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return "" if math.isnan(value) else repr(value)
    return value


def competition_table(results: Sequence[Sequence[Trials]]) -> str:
    """Return the closing table as plain text, with all that must not be overlooked."""
    lines = []
    shown_as = labels([trials.method for group in results for trials in group])
    width = max(map(len, shown_as.values()))
    for group in results:
        task, reference = group[0].task, _reference(group)
        if lines:
            lines.append("")
        lines.append(
            f"{task.name}: {group[0].starts} starts, {group[0].budget:,} evaluations each; "
            + (
                f"reference energy {reference:.6f}"
                if task.reference is not None
                else f"NO reference energy is known: success means {reference:.6f}, "
                "the lowest energy found here"
            )
        )
        lines.append(
            f"{'':{width}} {'success (95 %)':>24} {'evaluations to first hit':>30} "
            f"{'evaluations per hit':>30} {'ms per hit':>10} {'mean energy':>12} "
            f"{'lowest':>12} {'minima':>6}"
        )
        for trials in group:
            row = trials.summary()
            per_hit = trials.per_hit
            shown = "-" if per_hit is None else f"{per_hit:,.0f}"
            rate, first = f"{trials.success:.1%}", f"{trials.to_first_hit:,.0f}"
            milliseconds = 1e3 * row["seconds_to_first_hit"]
            time = f"{milliseconds:,.3g}" if math.isfinite(milliseconds) else "no hit"
            who = shown_as[trials.method]
            lines.append(
                f"{who:{width}} {rate:>24} {first:>30} {shown:>30} {time:>10} "
                f"{row['mean']:12.4f} {row['lowest']:12.4f} {row['minima']:6d}"
            )
        for trials in group:
            lines += _remarks(trials)
    return "\n".join(lines)


def labels(names: Sequence[str]) -> dict[str, str]:
    """Return how optimizers are shown: by name, a file of weights by its run folder.

    Arguments:
        names: as on the command line; where two would look the same, all stay as they are.
    """
    short = {}
    for name in names:
        file, at, steps = name.partition(".l2h")
        folder = Path(file).parent.name
        short[name] = f"{folder}{steps}" if at and folder else name
    return short if len(set(short.values())) == len(short) else {n: n for n in names}


def _remarks(trials: Trials) -> list[str]:
    row, who = trials.summary(), f"{trials.task.name}: {trials.method}"
    lines = []
    if row["nonfinite"]:
        lines.append(
            f"{who} met non-finite energies in {row['nonfinite']} of {row['attempts']} "
            "attempts."
        )
    if row["without_energy"]:
        lines.append(
            f"{who} ended {row['without_energy']} of {row['starts']} starts without any "
            "finite energy; the mean leaves them out."
        )
    if row["unconverged"]:
        lines.append(
            f"{who}: {row['unconverged']} of {row['attempts']} quenches did not converge."
        )
    if row["below_reference"]:
        lines.append(
            f"WARNING: {who} ended {row['below_reference']} times BELOW the reference "
            f"{row['reference']:.6f}, at {row['lowest']:.6f}: a discovery or a bug. They "
            "do not count as hits; look at the structures."
        )
    return lines


def competition_figure(group: Sequence[Trials]) -> "Figure":
    """Draw one task: hits, their cost, final energies, the way there.

    Arguments:
        group: the trials of all methods on the task.
    """
    from matplotlib.figure import Figure

    names = [trials.method for trials in group]
    colours = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)}
    styles = {name: ("-", "--", ":")[i // len(COLOURS) % 3] for i, name in enumerate(names)}
    # A figure of its own, without pyplot: no global state, no display.
    figure = Figure(figsize=(14, 9.5), dpi=110, layout="constrained")
    (curves, costs), (finals, descent) = figure.subplots(2, 2)
    _draw_curves(curves, group, colours, styles)
    _draw_costs(costs, group, colours)
    _draw_finals(finals, group, colours)
    _draw_descent(descent, group, colours, styles)
    shown_as = labels(names)
    for axes in (costs, finals):
        axes.set_yticks(range(len(group)), [shown_as[name] for name in names])
    tidy(curves, costs, finals, descent)
    trials = group[0]
    what = (
        f"reference {number(_reference(group))}"
        if trials.task.reference is not None
        else f"no reference known: success is {number(_reference(group))}, the "
        "lowest energy found here"
    )
    figure.suptitle(
        f"{trials.task.name}: {trials.starts} starts, {trials.budget:,} evaluations each; "
        f"{what}",
        fontsize=13,
    )
    # Below the panels, so that it hides no curve.
    figure.legend(
        curves.get_lines(),
        shown_as.values(),
        loc="outside lower center",
        ncols=min(len(names), 5),
        fontsize=9,
    )
    return figure


def _draw_curves(
    axes: "Axes",
    group: Sequence[Trials],
    colours: Mapping[str, str],
    styles: Mapping[str, str],
) -> None:
    axes.set(
        title="Starts that have hit",
        xlabel="evaluations, quenches included",
        ylabel="fraction of starts",
        xscale="log",
        ylim=(-0.02, 1.02),
    )
    curves = {trials.method: hit_curve(trials.hit_at) for trials in group}
    end = max([group[0].budget, *(float(x[-1]) for x, _ in curves.values() if x.size)])
    begin = min([0.5 * end, *(0.8 * float(x[0]) for x, _ in curves.values() if x.size)])
    for name, (x, y) in curves.items():
        axes.step(
            [begin, *x, end],
            [0, *y, y[-1] if y.size else 0],
            where="post",
            color=colours[name],
            linestyle=styles[name],
            linewidth=2,
        )
    axes.set_xlim(begin, end)


def _draw_costs(axes: "Axes", group: Sequence[Trials], colours: Mapping[str, str]) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    axes.set(
        title="Evaluations per hit, stopping at the first (95 %)",
        xlabel="evaluations, failed starts and quenches included",
        xscale="log",
    )
    for place, trials in enumerate(group):
        cost, colour = trials.to_first_hit, colours[trials.method]
        if math.isfinite(cost.value):
            axes.plot([cost.low, cost.high], [place, place], color=colour, linewidth=3)
            axes.plot(cost.value, place, "o", color=colour, markersize=8)
            text, at = f"{cost.value:,.0f}", cost.value
        else:
            axes.plot(cost.low, place, ">", color=colour, markersize=9)
            text, at = f"no hit; more than {cost.low:,.0f}", cost.low
        axes.annotate(
            text,
            (at, place),
            xytext=(0, 7),
            textcoords="offset points",
            ha="center",
            fontsize=9,
        )
    axes.set_ylim(len(group) - 0.5, -0.7)
    axes.margins(x=0.18)
    # Within a decade or two, powers of ten alone say too little, all digits too much.
    low, high = axes.get_xlim()
    digits = (1, 2, 5) if high / low < 100 else (1,)
    axes.xaxis.set_major_locator(LogLocator(subs=digits))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _draw_finals(axes: "Axes", group: Sequence[Trials], colours: Mapping[str, str]) -> None:
    task = group[0].task
    axes.set(
        title="Lowest energy of each start, quenched",
        xlabel=task.units.label("energy" if task.potential.space.invariant else "value"),
    )
    finite = {s.method: s.energies[np.isfinite(s.energies)] for s in group}
    everything = np.concatenate([*finite.values(), [_reference(group)]])
    everything = everything[np.isfinite(everything)]
    if everything.size:
        low, high = float(everything.min()), float(np.percentile(everything, 99))
        width = max(high - low, 1e-3 * max(abs(low), 1)) / BINS
        edges = low + width * (np.arange(BINS + 3) - 1.5)
        for place, trials in enumerate(group):
            values = np.clip(finite[trials.method], edges[0], edges[-1])
            counts, _ = np.histogram(values, edges)
            heights = 0.85 * counts / max(counts.max(), 1)
            colour = colours[trials.method]
            axes.bar(edges[:-1], -heights, width, place + 0.4, align="edge", color=colour)
            lost = trials.starts - len(values)
            if lost:
                axes.annotate(
                    f"{lost} of {trials.starts} without finite energy",
                    (edges[-1], place),
                    ha="right",
                    fontsize=9,
                )
        axes.set_xlim(edges[0], edges[-1])
    label = "reference" if group[0].task.reference is not None else "lowest found here"
    reference = _reference(group)
    if math.isfinite(reference):
        axes.axvline(reference, color="black", linestyle="--", linewidth=1)
        axes.annotate(
            label,
            (reference, 1),
            xycoords=("data", "axes fraction"),
            xytext=(4, -10),
            textcoords="offset points",
            fontsize=9,
        )
    axes.set_ylim(len(group) - 0.5, -0.8)


def _draw_descent(
    axes: "Axes",
    group: Sequence[Trials],
    colours: Mapping[str, str],
    styles: Mapping[str, str],
) -> None:
    axes.set(
        title="Lowest energy so far, first attempt (median, quartiles)",
        xlabel="evaluations",
        ylabel="energy",
        xscale="log",
    )
    reference = _reference(group)
    medians = {}
    for trials in group:
        points, rows = trials.points, trials.lowest
        if len(points) < 2:
            continue  # quenched starts have no way
        low, median, high = np.quantile(rows, (0.25, 0.5, 0.75), axis=0, method="nearest")
        who = trials.method
        axes.fill_between(points, low, high, color=colours[who], alpha=0.12, linewidth=0)
        axes.plot(points, median, color=colours[who], linestyle=styles[who], linewidth=2)
        medians[who] = (points, median)
    ends = [float(m[-1]) for _, m in medians.values() if np.isfinite(m[-1])]
    if ends:
        # Starts may lie many orders of magnitude higher: show where it is decided.
        floor = min([*ends, reference])
        span = max(2.5 * (float(np.median(ends)) - floor), 0.2 * abs(floor), 1e-6)
        axes.set_ylim(floor - 0.05 * span, floor + span)
        within = [p[m < floor + span] for p, m in medians.values()]
        axes.set_xlim(
            max(1.0, 0.6 * min(float(p[0]) for p in within if p.size)),
            max(float(p[-1]) for p, _ in medians.values()),
        )
    if math.isfinite(reference):
        axes.axhline(reference, color=GREY, linestyle="--", linewidth=1)


def _reference(group: Sequence[Trials]) -> float:
    """Return the energy that counts as a hit, the same for the whole group."""
    reference = group[0].reference
    return math.inf if reference is None else reference
