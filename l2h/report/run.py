"""Files and the table at the end of a training run."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from ..evaluation import distinct
from ..io import write_atomically, write_extxyz
from ..tasks import TOLERANCE
from ..training import Assessment
from .plots import training_report

KEPT = 10


def write_results(
    folder: Path, assessments: list[Assessment], rows: list[dict[str, Any]]
) -> list[Path]:
    """Write evaluation, lowest structures and a picture for each task; return the paths.

    With several tasks, the names of pictures and structures end in the task's name.
    """
    evaluation = folder / "evaluation.json"
    summaries = {a.task.name: a.summary() for a in assessments}
    write_atomically(evaluation, json.dumps(_jsonable(summaries), indent=1) + "\n")
    paths = [evaluation]
    for a in assessments:
        suffix = f"-{a.task.name}" if len(assessments) > 1 else ""
        structures = folder / f"lowest{suffix}.extxyz"
        runs = distinct(a.task, a.learned.polished, a.learned.positions)[:KEPT]
        if a.task.potential.space.invariant:  # a structure, not the point of a function
            write_extxyz(
                structures,
                a.task.potential,
                a.learned.positions[runs],
                symbols=a.task.symbols,
                energies=a.learned.polished[runs],
            )
            paths.append(structures)
        picture = folder / f"report{suffix}.png"
        validated = [row for row in rows if "validation/success" in row]
        training_report(
            picture,
            updates=[row["update"] for row in rows],
            # Without a loss of its own, a task that was kept apart shows the mean.
            losses=[row.get(f"loss/{a.task.name}", row["loss"]) for row in rows],
            validation=(
                [row["update"] for row in validated],
                [row[f"validation/{a.task.name}/energy"] for row in validated],
            )
            if a.trained
            else None,
            traces=a.traces,
            energies={"learned": a.learned.polished, "Adam": a.adam.polished},
            reference=a.task.reference,
            title=f"{a.task.name}{'' if a.trained else ' (never trained on)'}: "
            f"{a.learned.runs} held-out starts, {a.learned.steps} steps",
            energy_unit="eV" if a.task.symbols else "ε",
            tolerance=TOLERANCE * float(a.task.potential.scale.energy),
        )
        paths.append(picture)
    return paths


def table(assessments: list[Assessment]) -> str:
    """Return the closing table as plain text."""
    head = f"{'task':10} {'optimizer':16} {'steps':>6} {'success (95 %)':>22} "
    head += f"{'evaluations per hit (95 %)':>30} {'mean energy':>12}"
    lines = [head]
    for a in assessments:
        for name, outcomes in (
            ("learned", a.learned),
            ("learned", a.economical),
            (f"Adam, {a.adam_name}", a.adam),
        ):
            rate, cost = f"{outcomes.success:.1%}", f"{outcomes.per_hit:,.0f}"
            lines.append(
                f"{a.task.name:10} {name:16} {outcomes.steps:6d} {rate:>22} {cost:>30} "
                f"{np.mean(outcomes.polished):12.3f}"
            )
        lines += _remarks(a)
    return "\n".join(lines)


def _remarks(a: Assessment) -> list[str]:
    lines = []
    if not a.trained:
        lines.append(f"{a.task.name}: never trained on; its family keeps it apart.")
    if a.task.reference is None:
        lines.append(
            f"{a.task.name}: no reference energy is known; success counts, for each row by "
            "itself, the lowest energy that it found."
        )
    if a.trained and a.basin_hopping is not None and a.pays_after is not None:
        lines.append(
            f"{a.task.name}: plain basin hopping {a.basin_hopping:,.0f} evaluations per "
            f"hit; training took {a.training_evaluations:,} evaluations"
            + (
                f" and has paid for itself after {a.pays_after:,.0f} searches."
                if np.isfinite(a.pays_after)
                else "; at this cost per hit it never pays for itself."
            )
        )
    for name, outcomes in (("learned", a.learned), ("Adam", a.adam)):
        if broken := int((~outcomes.valid).sum()):
            lines.append(
                f"{a.task.name}: {name} met non-finite energies in {broken} of "
                f"{outcomes.runs} runs; they count as they ended."
            )
        if below := int(outcomes.discoveries.sum()):
            lines.append(
                f"WARNING: {a.task.name}: {name} ended {below} times BELOW the reference "
                f"{outcomes.reference:.6f}, at {np.min(outcomes.polished):.6f}: a "
                "discovery or a bug. They do not count as hits; look at the structures."
            )
    return lines


def _jsonable(value: Any) -> Any:
    """Replace infinities, which JSON lacks, by None."""
    if isinstance(value, dict):
        return {key: _jsonable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_jsonable(item) for item in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
