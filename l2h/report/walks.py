"""What optimizers do on their way: the picture, and a small table."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from ..evaluation import Walks
from .plots import COLOURS, bands, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Rows = Float[np.ndarray, "b t"]


def walks_rows(walks: Sequence[Walks]) -> list[dict[str, Any]]:
    """Return one row for each optimizer and each step after which states were quenched:
    medians over starts, and fractions of them.

    Arguments:
        walks: of each optimizer, from the same starts.
    """
    rows = []
    for own in walks:
        found, visited = own.found, own.visited
        for q, step in enumerate(own.at.tolist()):
            # The stride and cosine of the step that comes next; the last has none.
            later = min(step, own.strides.shape[1] - 1)
            rows.append(
                {
                    "optimizer": own.method,
                    "step": step,
                    "energy": _median(own.energies[:, step]),
                    "quenched": _median(own.quenched[:, q]),
                    "in_reference": float(found[q]),
                    "minima_so_far": float(np.mean(visited[:, q])),
                    "stride": _median(own.strides[:, later]),
                    "cosine": _median(own.downhill[:, later]),
                    "radius": _median(own.radii[:, step]),
                    "asymmetry": _median(own.asymmetry[:, step]),
                }
            )
    return rows


def walks_figure(walks: Sequence[Walks], symmetric: Sequence[Walks]) -> "Figure":
    """Draw what optimizers do along their way, one panel a question.

    Arguments:
        walks: of each optimizer, from the same starts.
        symmetric: the same from symmetric starts.
    """
    from matplotlib.figure import Figure

    task, steps = walks[0].task, walks[0].strides.shape[1]
    energy = task.units.label("energy")
    figure = Figure(figsize=(19, 8.6), dpi=110, layout="constrained")
    panels = figure.subplots(2, 4)
    (seen, below, visits, found), (strides, downhill, radii, broken) = panels
    every, states, moves = walks[0].at, np.arange(steps + 1), np.arange(steps)

    def draw(
        axes: "Axes", of: Sequence[Walks], x: np.ndarray, rows: Callable[[Walks], Rows]
    ) -> None:
        for colour, own in zip(COLOURS, of, strict=False):
            _band(axes, x, rows(own), colour, own.method)

    draw(seen, walks, states, lambda own: own.energies)
    draw(below, walks, every, lambda own: own.quenched)
    draw(visits, walks, every, lambda own: own.visited.astype(float))
    for colour, own in zip(COLOURS, walks, strict=False):
        found.plot(every, own.found, color=colour, linewidth=2, label=own.method)
    draw(strides, walks, moves, lambda own: own.strides)
    draw(downhill, walks, moves, lambda own: own.downhill)
    draw(radii, walks, states, lambda own: own.radii)
    draw(broken, symmetric, states, lambda own: own.asymmetry)
    seen.set(title="Energy as seen", ylabel=energy)
    below.set(title="Energy of the minimum below", ylabel=energy)
    if task.reference is not None:
        below.axhline(task.reference, color="black", linestyle="--", linewidth=1)
        _limit(below, [own.quenched for own in walks], task.reference)
        # Hot walks are far above all minima, and the cold ones between them.
        seen.set_yscale("symlog", linthresh=abs(task.reference))
    visits.set(
        title=f"Different minima below, every {every[1] if len(every) > 1 else 1} steps"
    )
    found.set(title="Starts in the basin of the global minimum", ylim=(-0.02, 1.02))
    strides.set(title="Stride, rms over atoms (nearest distances)", yscale="log")
    downhill.set(title="Cosine of the stride with the forces", ylim=(-1.05, 1.05))
    downhill.axhline(0, color="black", linewidth=1)
    radii.set(title="Radius of gyration (nearest distances)")
    groups = int(np.sum(np.isfinite(symmetric[0].asymmetry[:, 0]))) if symmetric else 0
    broken.set(
        title=f"From {groups} symmetric starts: asymmetry, rms",
        yscale="log" if groups else "linear",
    )
    for axes in panels.ravel():
        axes.set_xlabel("step (one evaluation each)")
    tidy(*panels.ravel())
    handles, names = found.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=len(names), fontsize=10)
    figure.suptitle(
        f"{task.name}: {len(walks[0].energies)} starts, {steps} steps; medians, and 10 to "
        "90 % of starts",
        fontsize=13,
    )
    return figure


def _median(values: Float[np.ndarray, " b"]) -> float:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else float("nan")


def _band(axes: "Axes", x: np.ndarray, rows: Rows, colour: str, name: str) -> None:
    """Draw the median of the rows, shaded from 10 to 90 %; what is not finite is left
    out."""
    low, middle, high = bands(rows)
    axes.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0)
    axes.plot(x, middle, color=colour, linewidth=1.6, label=name)


def _limit(axes: "Axes", everything: Sequence[Rows], floor: float) -> None:
    """Show where it is decided: starts may lie many orders of magnitude higher."""
    ends = np.concatenate([rows[:, -1] for rows in everything])
    ends = ends[np.isfinite(ends)]
    if ends.size:
        span = max(2.5 * (float(np.median(ends)) - floor), 0.1 * abs(floor))
        axes.set_ylim(floor - 0.05 * span, floor + span)
