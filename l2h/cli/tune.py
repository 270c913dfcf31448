"""Tune the baselines, and hold them against the paper's.

l2h tune lj13 --optimizers adam,fire
l2h tune lj13,lj75,si64-paper --optimizers adam,fire --folder runs/baselines
l2h tune lj38 --optimizers bh-plain --steps 5000

The same command again goes on where it was interrupted.
"""

import itertools
import json
import shlex
import sys
from typing import Annotated

import tyro

from .compared import Compared
from .launch import prepare


def main(
    *,
    compared: Annotated[Compared, tyro.conf.OmitArgPrefixes],
    optimizers: str = "adam,fire",
    steps: int = 2000,
    updates: int = 100,
) -> None:
    """Try a grid of hyper-parameters and learned ones, and report the best on held-out
    starts.

    Args:
        compared: On what, and where results are kept.
        optimizers: Kinds, joined by commas: adam, fire, fire-ase, bh-paper, bh-plain.
        steps: Granted to each run.
        updates: Outer steps of learning from each value of the grid; 0 for none.
    """
    prepare()
    from .._registry import listed
    from ..io import write_atomically
    from ..report.meter import meter
    from ..report.tuning import tuning_table
    from ..training import tuning

    kinds, problems = listed("optimizers", optimizers), compared.problems()
    known = tuning.grids()
    if unknown := [kind for kind in kinds if kind not in known]:
        raise ValueError(
            f"optimizers: {', '.join(unknown)} unknown; choose from {', '.join(known)}."
        )
    limits = {"steps": (steps, 1), "starts": (compared.starts, 2), "updates": (updates, 0)}
    for name, (value, least) in limits.items():
        if value < least:
            raise ValueError(f"{name}: {value} given; it must be at least {least}.")

    settings = {
        "steps": steps,
        "starts": compared.starts,
        "updates": updates,
        "seed": compared.seed,
    }
    path = (compared.folder or tuning.FOUND.parent) / tuning.FOUND.name
    results = tuning.left(path)
    command = shlex.join(["l2h", "tune", *sys.argv[1:]])
    done = {
        (task.name, kind): results["tuned"].get(task.name, {}).get(kind)
        for task in problems
        for kind in kinds
    }
    for (name, kind), entry in done.items():  # before anything is computed
        if entry is not None and entry.get("settings") != settings:
            raise ValueError(
                f"folder: {path} has {kind} on {name} with {entry.get('settings')}, not "
                f"{settings}; choose another."
            )
    path.parent.mkdir(parents=True, exist_ok=True)
    for task in problems:
        for kind in kinds:
            entry = done[task.name, kind]
            if entry is None:
                grid, tries = known[kind], itertools.count()
                total = tuning.parts(len(grid), updates)
                with meter(total, f"{task.name}, {kind}") as show:
                    found = tuning.tuning_entry(
                        grid,
                        task,
                        note=lambda text, show=show, tries=tries: show(next(tries), text),
                        **settings,
                    )
                entry = {"command": command, "settings": settings, **found}
                results["tuned"].setdefault(task.name, {})[kind] = entry
                write_atomically(path, json.dumps(results, indent=1) + "\n")
            print(f"\n{tuning_table(task.name, kind, entry)}\n")
    print(path)
