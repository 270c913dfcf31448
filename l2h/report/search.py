"""Files and the table at the end of a search."""

import csv
import io
import os
from pathlib import Path
from typing import Any

from ..engine import SearchResult
from ..io import to_atoms, write_atomically
from .page import write_page
from .point_groups import point_groups

ROWS = 10


def write_search(
    folder: Path, result: SearchResult, command: str | None = None
) -> list[Path]:
    """Write all files of a search; return their paths.

    `lowest.xyz` and `minima.extxyz` (structures), `minima.csv` (a table), `search.json`
    (everything, for programs), `minima.db` (a database of ASE), `report.html`, and
    `trajectory.extxyz` (from a start to a minimum) where that is known. Points of test
    functions are no structures: of them, the table and `search.json` are written.

    Arguments:
        folder: where; it must exist.
        result: what was found.
        command: that repeats the search.

    Raises:
        OSError: if a file cannot be written.
    """
    groups = point_groups(result)
    notes = [{"point_group": group} for group in groups]
    paths = [result.save(folder, notes=notes)]
    paths.append(_write_table(folder / "minima.csv", result, groups))
    if not result.task.potential.space.invariant or not len(result.energies):
        return paths
    paths += _write_structures(folder, result, groups)
    page = write_page(
        folder / "report.html",
        result,
        command=command,
        again="l2h report DIR",
        point_groups=groups,
    )
    return [*paths, page]


def table(result: SearchResult) -> str:
    """Return the lowest minima as plain text, and what was found in words."""
    groups = point_groups(result, ROWS)
    lines = [f"{'energy':>16} {'gap':>12} {'found':>7} {'first at':>10}  group"]
    for k in range(min(len(result.energies), ROWS)):
        lines.append(
            f"{result.energies[k]:16.6f} {result.energies[k] - result.energies[0]:12.6f} "
            f"{result.hits[k]:7,d} {result.first_evaluation[k]:10,d}  "
            f"{groups[k] if groups else '-'}"
        )
    more = len(result.energies) - ROWS
    if more > 0:
        lines.append(f"{'...':>16} and {more:,} higher minima")
    return "\n".join([*lines, result.verdict])


def _write_table(path: Path, result: SearchResult, groups: list[str]) -> Path:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["energy", "gap", "hits", "first_evaluation", "point_group"])
    for k, energy in enumerate(result.energies):
        gap = float(energy - result.energies[0])
        numbers = [repr(float(energy)), repr(gap), result.hits[k]]
        group = groups[k] if groups else ""
        writer.writerow([*numbers, result.first_evaluation[k], group])
    write_atomically(path, text.getvalue())
    return path


def _way(result: SearchResult) -> Any:
    """Return the structures of the trajectory as ASE's Atoms; None if there is none."""
    way, task = result.trajectory, result.task
    if way is None:
        return None
    return [
        to_atoms(
            task.potential,
            x,
            symbols=task.symbols,
            energy=float(energy),
            info={"stage": stage, "evaluation": int(step)},
        )
        for x, energy, stage, step in zip(
            way.positions, way.energies, way.stages, way.steps, strict=True
        )
    ]


def _write_structures(folder: Path, result: SearchResult, groups: list[str]) -> list[Path]:
    from ase.db import connect
    from ase.io import write

    frames = result.to_ase()
    for k, atoms in enumerate(frames):
        atoms.info["gap"] = float(result.energies[k] - result.energies[0])
        if groups:
            atoms.info["point_group"] = groups[k]
    paths = []
    files = {"lowest.xyz": frames[:1], "minima.extxyz": frames}
    if (way := _way(result)) is not None:
        files["trajectory.extxyz"] = way
    for name, some in files.items():
        text = io.StringIO()
        write(text, some, format="extxyz")
        write_atomically(folder / name, text.getvalue())
        paths.append(folder / name)
    # A whole database takes the place of the old one.
    path, temporary = folder / "minima.db", folder / f".minima.{os.getpid()}.db"
    try:
        database: Any = connect(temporary)
        with database:
            for atoms in frames:
                facts = {k: v for k, v in atoms.info.items() if k != "units" and v != ""}
                database.write(atoms, key_value_pairs=facts)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
        for rest in folder.glob(f".minima.{os.getpid()}.db*"):
            rest.unlink()
    return [*paths, path]
