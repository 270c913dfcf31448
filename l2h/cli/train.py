"""Train an optimizer, examine it on held-out starts, and show what it does.

l2h train lj13
l2h train lj38 --minutes 20
l2h train lj13,lj19,lj38 --updates 400 --seed 1
l2h train lj-family --warm-start lj38
l2h train lj13 --optimizer adam
l2h train --config my.toml --learning-rate 0.01
l2h train --load my_potential.py morse13
l2h train --resume runs/lj13-seed0
"""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from ..training import TrainingConfig
from ..training.config import OF_TASKS
from . import launch
from .settings import flags

if TYPE_CHECKING:
    Settings = dict[str, Any]
else:
    Settings = flags(TrainingConfig, without=("tasks",), varying=OF_TASKS)


def main(
    tasks: Annotated[str | None, tyro.conf.Positional] = None,
    /,
    *,
    settings: Annotated[Settings, tyro.conf.OmitArgPrefixes],
    config: Path | None = None,
    minutes: float | None = None,
    resume: Path | None = None,
    folder: Path | None = None,
    memory: float | None = None,
    devices: int | None = None,
    coordinator: str | None = None,
    process: int | None = None,
    processes: int | None = None,
    examine: bool = True,
) -> None:
    """Train an optimizer and examine it against Adam on 150 held-out starts.

    Args:
        tasks: A family or names of tasks, joined by commas; lj13 if nothing else is said.
        settings: Settings of the run, which its config.toml keeps. Larger clusters and
            test functions have other defaults.
        config: A TOML file of settings, such as a run's config.toml.
        minutes: End after this time, examination included; go on later with --resume.
        resume: Folder of a run to go on with; its settings are kept.
        folder: Where to write; a new folder under runs/ by default.
        memory: MiB that a device may use for a part of the population.
        devices: Devices that share the work, all by default; processor cores, if there is
            no accelerator.
        coordinator: ADDRESS:PORT of the first of several processes.
        process: Number of this process, from 0.
        processes: How many there are. Under SLURM, all three are found by themselves.
        examine: Whether to examine the result on held-out starts.
    """
    deadline = None if minutes is None else time.monotonic() + 60 * minutes
    from .. import weights
    from ..meta import count, processes as together
    from ..report import announcement
    from ..training import RunFolder, check, pieces

    def join() -> None:
        if launch.several(sys.argv[1:]):
            together.start(coordinator, process, processes)

    shared = launch.prepare(devices, join=join)
    if resume is not None:
        if tasks or config or folder or settings or memory:
            raise ValueError(
                f"resume: {resume} keeps the settings it was started with; give --minutes "
                "and where to run only, or start another run."
            )
        run, chosen = RunFolder.open(resume)
        trainer = check(chosen, minutes, shared)
    else:
        chosen = TrainingConfig.choose(tasks, config, dict(settings))
        if config is None and "chunk" not in settings:
            chosen = pieces.filling(chosen, shared)
        chosen = chosen if memory is None else pieces.within(chosen, memory)
        begin = weights.load(chosen.warm_start) if chosen.warm_start else None
        chosen = chosen if begin is None else pieces.with_room(chosen, begin)
        # Before anything is written.
        first = None if begin is None else pieces.prepared(chosen, begin)
        trainer = check(chosen, minutes, shared)
        run = RunFolder(folder or RunFolder.fresh(chosen))
        if together.index() == 0:
            run = RunFolder.create(run.path, chosen)
            if first is not None:
                spent = weights.training_evaluations(str(chosen.warm_start))
                run.save_start(first, spent)
    if together.index() == 0:
        needed = trainer.memory(count(pieces.shapes(chosen))) / 2**20
        print(f"{announcement(chosen)}\nrun folder: {run.path}")
        print(
            f"processes: {together.count()}, devices of each: {shared}; chunks: "
            f"{trainer.chunks} of {trainer.width} members, about "
            f"{needed:,.1f} MiB on a device"
        )

    try:
        _train(chosen, run, deadline=deadline, devices=shared, examine=examine)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"go on with --resume {run.path}") from None


def _train(
    config: Any, run: Any, *, deadline: float | None, devices: int, examine: bool
) -> None:
    """Train to the end of the schedule or of the time, and examine what was found."""
    from ..meta import processes as together
    from ..report import Progress, table, verdict, write_results
    from ..report.meter import meter
    from ..training import assess, train

    progress = Progress(config.updates, 0 if together.index() else len(run.rows()))
    rows = train(
        config,
        run,
        deadline=deadline,
        examined=examine,
        devices=devices,
        note=lambda text: progress.note(text),
    )
    first = together.index() == 0
    for _ in progress.follow(rows) if first else rows:
        pass
    together.finish()
    if not first:
        return
    done = run.rows()
    if done[-1]["update"] < config.updates:
        print(
            f"stopped after {done[-1]['update']} of {config.updates} updates; go on with "
            f"--resume {run.path}"
        )
    # A run stopped before its first validation has weights in its checkpoint only.
    best = run.best if run.best.exists() else run.checkpoint
    if not examine:
        print(best)
        return
    optimizer = run.best_optimizer(config)
    with meter(1.0, "examining") as note:
        spent = done[-1]["evaluations"]
        assessments = assess(config, optimizer, spent, deadline=deadline, note=note)
    # What an earlier examination has written stays, if there was no time for any task.
    paths = []
    if assessments:
        paths = write_results(run.path, assessments, done, config.seed)
    print(f"\n{table(assessments)}\n" if assessments else "")
    print("\n".join(str(path) for path in [best, *paths]))
    print(f"\n{verdict(config, assessments)}")
