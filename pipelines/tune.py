"""Tune the baselines, and hold them against the paper's.

nox -s tune -- lj13 --optimizers adam,fire
nox -s tune -- lj13,lj75,si64-paper --optimizers adam,fire --folder runs/baselines
nox -s tune -- lj38 --optimizers bh-plain --steps 5000

The same command again goes on where it was interrupted.
"""

import itertools
import json
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import jax
import tyro

from l2h.cli.launch import command


def main(
    tasks: Annotated[str, tyro.conf.Positional],
    /,
    *,
    optimizers: str = "adam,fire",
    steps: int = 2000,
    starts: int = 150,
    updates: int = 100,
    seed: int = 0,
    folder: Path | None = None,
) -> None:
    """Try a grid of hyper-parameters and learned ones, and report the best on held-out
    starts.

    Args:
        tasks: Names of tasks, or a family, joined by commas.
        optimizers: Kinds, joined by commas: adam, fire, fire-ase, bh-paper, bh-plain.
        steps: Granted to each run.
        starts: Validation starts, and as many held-out ones.
        updates: Outer steps of learning from each value of the grid; 0 for none.
        seed: Determines noise and starts.
        folder: Where to write; runs/tune by default.
    """
    jax.config.update("jax_enable_x64", True)
    from l2h.evaluation import tuning
    from l2h.io import write_atomically
    from l2h.tasks import get, members

    kinds, problems = optimizers.split(","), [get(name) for name in members(tasks)]
    known = tuning.grids()
    if unknown := [kind for kind in kinds if kind not in known]:
        raise ValueError(
            f"optimizers: {', '.join(unknown)} unknown; choose from {', '.join(known)}."
        )
    limits = {"steps": (steps, 1), "starts": (starts, 2), "updates": (updates, 0)}
    for name, (value, least) in limits.items():
        if value < least:
            raise ValueError(f"{name}: {value} given; it must be at least {least}.")

    settings = {"steps": steps, "starts": starts, "updates": updates, "seed": seed}
    path = (folder or Path("runs") / "tune") / "baselines.json"
    results: dict[str, Any] = {"tuned": {}}
    if path.exists():
        results = json.loads(path.read_text())
    command = shlex.join(["python", "-m", "pipelines.tune", *sys.argv[1:]])
    done = {
        (task.name, kind): results["tuned"].get(task.name, {}).get(kind)
        for task in problems
        for kind in kinds
    }
    for (name, kind), entry in done.items():  # before anything is computed
        if entry is not None and entry["settings"] != settings:
            raise ValueError(
                f"folder: {path} has {kind} on {name} with {entry['settings']}, not "
                f"{settings}; choose another."
            )
    path.parent.mkdir(parents=True, exist_ok=True)
    for task in problems:
        for kind in kinds:
            entry = done[task.name, kind]
            if entry is None:
                found = _tuned(task, kind, known[kind], settings)
                entry = {"command": command, "settings": settings, **found}
                results["tuned"].setdefault(task.name, {})[kind] = entry
                write_atomically(path, json.dumps(results, indent=1) + "\n")
            print(f"\n{_table(task, kind, entry, tuning.paper())}\n")
    print(path)


def _tuned(
    task: Any, kind: str, grid: dict[str, Any], settings: dict[str, int]
) -> dict[str, Any]:
    """Tune one kind of optimizer on one task; return plain numbers, the best first."""
    from l2h.evaluation import tuning
    from l2h.report.meter import meter

    total = len(grid) * (settings["updates"] + 1 + (settings["updates"] > 0))
    done = itertools.count()
    with meter(total, f"{task.name}, {kind}") as show:
        found = tuning.tune(
            grid, task, note=lambda text: show(next(done), text), **settings
        )
    ladder = tuning.settling(
        found[0].optimizer, task, seed=settings["seed"], starts=settings["starts"]
    )
    summaries = [candidate.summary() for candidate in found]
    return {"best": summaries[0], "others": summaries[1:], "settling": ladder}


def _table(
    task: Any, kind: str, entry: dict[str, Any], paper: dict[tuple[str, str], float]
) -> str:
    head = f"{task.name}, {kind:24} {'validation':>12} {'held out, mean +- error':>26}"
    lines = [f"{head} {'quenched':>12} {'lowest':>12}"]
    for row in (entry["best"], *entry["others"]):
        shown = f"{row['held_out_mean']:.3f} +- {row['held_out_error']:.3f}"
        lines.append(
            f"  {row['name']:{len(head) - 43}} {row['validation_mean']:>12.3f} {shown:>26} "
            f"{row['held_out_polished_mean']:>12.3f} {row['held_out_lowest']:>12.3f}"
            + (f"  ({row['nonfinite']} non-finite)" if row["nonfinite"] else "")
        )
    steps, settled = entry["settling"][-1]
    lines.append(
        "  the best, by number of steps: "
        + ", ".join(f"{n}: {mean:.2f}" for n, mean in entry["settling"])
    )
    if (known := paper.get((task.name, kind))) is not None:
        away = (settled - known) / entry["best"]["held_out_error"]
        lines.append(
            f"  the paper's mean is {known}; ours after {steps} steps is {settled:.2f}, "
            f"{away:+.1f} standard errors away"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    command(main)
