"""Train a learned optimizer, examine it on held-out starts, and show what it does.

nox -s train -- lj13
nox -s train -- lj38 --minutes 20
nox -s train -- lj13,lj19,lj38 --updates 400 --seed 1
nox -s train -- --config my.toml
nox -s train -- --resume runs/lj13-seed0
"""

import os
import sys
from pathlib import Path
from typing import Annotated

import jax
import tyro


def main(
    tasks: Annotated[str | None, tyro.conf.Positional] = None,
    /,
    *,
    config: Path | None = None,
    updates: int | None = None,
    minutes: float | None = None,
    seed: int | None = None,
    resume: Path | None = None,
    folder: Path | None = None,
    devices: int = os.cpu_count() or 1,
    x64: bool = False,
) -> None:
    """Train a learned optimizer and examine it against Adam on 150 held-out starts.

    Args:
        tasks: Names of tasks, joined by commas; lj13 if nothing else is said.
        config: A TOML file of settings, such as a run's config.toml.
        updates: Length of the schedule, in meta-updates.
        minutes: Stop after this time at the latest; go on later with --resume.
        seed: Determines weights, noise and all starts.
        resume: Folder of a run to go on with; its settings are kept.
        folder: Where to write; a new folder under runs/ by default.
        devices: Devices that share the work; processor cores, if there is no accelerator.
        x64: Train in double precision.
    """
    # Before anything else touches JAX: polished energies are in double precision, and
    # each core of a processor counts as a device of its own.
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_num_cpu_devices", max(devices, 1))
    from l2h.report import Progress, table, write_results
    from l2h.training import RunFolder, TrainingConfig, assess, check, train

    given = {"updates": updates, "seed": seed, "precision": "float64" if x64 else None}
    settings = {name: value for name, value in given.items() if value is not None}
    if resume is not None:
        if tasks or config or folder or settings:
            raise ValueError(
                f"resume: {resume} keeps the settings it was started with; give --minutes "
                "and --devices only, or start another run."
            )
        run, chosen = RunFolder.open(resume)
    else:
        chosen = TrainingConfig.choose(tasks, config, settings)
        check(chosen, minutes, devices)  # before anything is written
        run = RunFolder.create(folder or RunFolder.fresh(chosen), chosen)
    print(f"run folder: {run.path}")

    progress = Progress(chosen.updates, len(run.rows()))
    for _ in progress.follow(train(chosen, run, minutes=minutes, devices=devices)):
        pass
    rows = run.rows()
    if rows[-1]["update"] < chosen.updates:
        print(
            f"stopped after {rows[-1]['update']} of {chosen.updates} updates; go on with "
            f"--resume {run.path}"
        )
    optimizer = run.best_optimizer(chosen)
    assessments = assess(chosen, optimizer, rows[-1]["evaluations"], note=print)
    paths = write_results(run.path, assessments, rows)
    print(f"\n{table(assessments)}\n")
    # A run stopped before its first validation has weights in its checkpoint only.
    weights = run.best if run.best.exists() else run.checkpoint
    print("\n".join(str(path) for path in [weights, *paths]))


if __name__ == "__main__":
    try:
        tyro.cli(main)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
