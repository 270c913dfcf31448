"""Files, the table and the words at the end of a training run."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..evaluation import Trials, distinct
from ..io import plain, write_atomically, write_extxyz
from ..tasks import get, held_out
from ..training import Assessment, TrainingConfig
from .found import found
from .page import write_page
from .plots import training_figure, write_figure
from .point_groups import point_groups

KEPT = 10


def write_results(
    folder: Path,
    assessments: list[Assessment],
    rows: list[dict[str, Any]],
    seed: int = 0,
) -> list[Path]:
    """Write evaluation and, for each task, lowest structures, a picture and the page of
    what was found; return the paths.

    With several tasks, names end in the task's name. Points of test functions are no
    structures: of them, there are the evaluation and the picture.

    Arguments:
        folder: where; it must exist.
        assessments: of the trained optimizer, one a task.
        rows: metrics of the run.
        seed: of the run.
    """
    evaluation = folder / "evaluation.json"
    summaries = {a.task.name: a.summary() for a in assessments}
    write_atomically(evaluation, json.dumps(plain(summaries), indent=1) + "\n")
    paths = [evaluation]
    for a in assessments:
        suffix = f"-{a.task.name}" if len(assessments) > 1 else ""
        structures = folder / f"lowest{suffix}.extxyz"
        learned = a.learned.full
        runs = distinct(a.task, learned.energies, learned.positions)[:KEPT]
        if a.task.potential.space.invariant:  # a structure, not the point of a function
            write_extxyz(
                structures,
                a.task.potential,
                learned.positions[runs],
                symbols=a.task.symbols,
                energies=learned.energies[runs],
            )
            result = found(learned, (a.adam.full,), seed)
            groups = point_groups(result)
            page = folder / f"report{suffix}.html"
            again = "l2h train --resume DIR"
            write_page(page, result, point_groups=groups, again=again)
            paths += [structures, page]
        picture = folder / f"report{suffix}.png"
        write_figure(picture, _figure(a, rows))
        paths.append(picture)
    return paths


def _figure(a: Assessment, rows: list[dict[str, Any]]) -> Any:
    energy = f"validation/{a.task.name}/energy"
    validated = [row for row in rows if energy in row]
    both = {"learned": a.learned.full, "Adam": a.adam.full}
    return training_figure(
        updates=[row["update"] for row in rows],
        # Without a loss of its own, a task that was kept apart shows the mean.
        losses=[row.get(f"loss/{a.task.name}", row["loss"]) for row in rows],
        validation=(
            [row["update"] for row in validated],
            [row[energy] for row in validated],
        )
        if a.trained
        else None,
        traces={who: (trials.points - 1, trials.seen) for who, trials in both.items()},
        energies={who: trials.energies for who, trials in both.items()},
        reference=a.learned.full.reference,
        title=f"{a.task.name}{'' if a.trained else ' (never trained on)'}: "
        f"{a.learned.full.starts} held-out starts, {a.learned.full.steps} steps",
        units=a.task.units,
        tolerance=a.task.window,
        structure=_lowest(a),
    )


def _lowest(a: Assessment) -> Any:
    """Return task and positions of the lowest structure found; None if there is none."""
    rows = a.learned.full.minima
    if not rows or not a.task.potential.space.invariant:
        return None
    return a.task, a.learned.full.positions[rows[0]]


def table(assessments: list[Assessment]) -> str:
    """Return the closing table as plain text."""
    head = f"{'task':10} {'optimizer':16} {'steps':>6} {'success (95 %)':>22} "
    head += f"{'evaluations per hit (95 %)':>30} {'mean energy':>12}"
    lines = [head]
    for a in assessments:
        for trials in a.trials:
            rate, cost = f"{trials.success:.1%}", f"{trials.per_hit:,.0f}"
            lines.append(
                f"{a.task.name:10} {trials.method:16} {trials.steps:6d} {rate:>22} "
                f"{cost:>30} {np.mean(trials.energies):12.3f}"
            )
        lines += _remarks(a)
    return "\n".join(lines)


def announcement(config: TrainingConfig) -> str:
    """Return in words what a run is going to do."""
    names = [get(name) for name in config.tasks]
    shown = ", ".join(f"{task.name} ({task.n} atoms)" for task in names[:6])
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return (
        f"Learning to find the lowest energy of {shown}{more}: {config.updates} updates, "
        "then an examination on starts that training has never seen."
    )


def verdict(config: TrainingConfig, assessments: Sequence[Assessment]) -> str:
    """Return in words what a run has found, one line for each task.

    Arguments:
        config: the run's settings.
        assessments: of those tasks that there was time for.
    """
    lines = [_verdict(a) for a in assessments]
    examined = {a.task.name for a in assessments}
    asked = (*config.tasks, *held_out(config.tasks))
    if missing := [name for name in asked if name not in examined]:
        lines.append(
            f"{', '.join(missing)}: not examined, as the time was over; --resume the run "
            "without --minutes to examine everything."
        )
    return "\n".join(lines)


def _verdict(a: Assessment) -> str:
    trials, best = a.learned.economical, a.learned.full
    start = f"{a.task.name}: the learned optimizer found "
    if a.task.reference is None:
        low = float(np.min(best.energies))
        text = (
            f"{start}{low:.4f} as its lowest energy (mean {np.mean(best.energies):.4f}); "
            "no reference is known"
        )
        return f"{text}; Adam's mean is {np.mean(a.adam.full.energies):.4f}."
    hits = int(trials.hits.sum())
    if not hits and not best.hits.any():
        return (
            f"{start}the lowest known energy {a.task.reference:.4f} from none of "
            f"{best.starts} starts; its own lowest is {np.min(best.energies):.4f}."
        )
    text = (
        f"{start}the lowest known energy {a.task.reference:.4f} from {hits} of "
        f"{trials.starts} starts in {trials.steps} steps each, "
        f"{trials.per_hit:,.0f} evaluations per hit"
    )
    if a.opponent is not None:
        text += (
            f"; the strongest unlearned search known here, {a.opponent.method}, needs "
            f"{a.opponent.cost.value:,.0f}"
        )
    return text + "."


def _remarks(a: Assessment) -> list[str]:
    lines = []
    if not a.trained:
        lines.append(f"{a.task.name}: never trained on; its family keeps it apart.")
    if a.task.reference is None:
        lines.append(
            f"{a.task.name}: no reference energy is known; success counts the lowest "
            "energy that any of these rows has found."
        )
    if a.trained and a.opponent is not None and a.pays_after is not None:
        rival = a.opponent
        lines.append(
            f"{a.task.name}: {rival.method}, the strongest unlearned search known here, "
            f"takes {rival.cost.value:,.0f} evaluations per hit; training took "
            f"{a.training_evaluations:,}"
            + (
                f" and has paid for itself after {a.pays_after:,.0f} searches."
                if np.isfinite(a.pays_after)
                else ", which at this cost per hit never pay for themselves."
            )
        )
    for name, trials in (("learned", a.learned.full), ("Adam", a.adam.full)):
        lines += _accidents(a, name, trials)
    return lines


def _accidents(a: Assessment, name: str, trials: Trials) -> list[str]:
    lines = []
    if broken := int((~trials.valid).sum()):
        lines.append(
            f"{a.task.name}: {name} met non-finite energies in {broken} of "
            f"{trials.starts} runs; they count as they ended."
        )
    if trials.below:
        lines.append(
            f"WARNING: {a.task.name}: {name} ended {trials.below} times BELOW the "
            f"reference {trials.reference:.6f}, at {np.min(trials.energies):.6f}: a "
            "discovery or a bug. They do not count as hits; look at the structures."
        )
    return lines
