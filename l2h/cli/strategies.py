"""Compare meta-strategies: the same task, budget and seeds for each (appendix B).

l2h strategies
l2h strategies --quick
l2h strategies --strategies esmc,ga --seeds 2 --folder runs/mine

A run that was interrupted goes on when the same command is given again.
"""

from pathlib import Path
from typing import Annotated, Any

import tyro

from .launch import prepare

# About 80 rollouts per update, as in the appendix, and the same for all strategies.
SHARED: dict[str, Any] = {
    "pairs": 20,
    "starts_per_task": 2,
    # As in the paper: it is exploded rollouts that tell the strategies apart.
    "bounded": False,
    "validate_every": 30,
    "checkpoint_every": 20,
}
# What suits each, found on seeds 100 and 101, which are not among those reported. The best
# of a genetic population is best by luck as well, hence the average over updates.
OWN: dict[str, dict[str, Any]] = {
    "es": {"sigma": 0.1},
    "esmc": {"sigma": 0.1},
    "ga": {
        "sigma": 0.05,
        "final_sigma": 0.005,
        "parents": 8,
        "elites": 2,
        "average": 0.98,
    },
    "normalized-es": {"sigma": 0.1},
}
UPDATES, HORIZON, SEEDS, STARTS = 900, 100, 5, 150
QUICK = {"updates": 10, "seeds": 1, "starts": 25}


def main(
    task: Annotated[str, tyro.conf.Positional] = "lj13",
    /,
    *,
    strategies: str = ",".join(OWN),
    updates: int | None = None,
    horizon: int = HORIZON,
    seeds: int | None = None,
    starts: int | None = None,
    folder: Path | None = None,
    devices: int | None = None,
    quick: bool = False,
) -> None:
    """Train one optimizer per strategy and seed, and show who learns steadily.

    Args:
        task: Name of a task.
        strategies: Names joined by commas; your own have the settings that training has.
        updates: Meta-updates of every run; 900 unless told otherwise.
        horizon: Steps of every rollout, in training and in the examination.
        seeds: How many, counted from 0; 5 unless told otherwise.
        starts: Held-out starts of the examination; 150 unless told otherwise.
        folder: Where to write, and to go on from; runs/strategies-TASK by default.
        devices: Devices that share the work, all by default; processor cores, if there is
            no accelerator. Their number does not change results.
        quick: A short form to try things out: few updates, one seed, 25 starts.
    """
    shared = prepare(devices)
    from .._registry import listed
    from ..io import write_atomically
    from ..meta import STRATEGIES
    from ..report import trained, write_figure
    from ..report.strategies import (
        strategies_csv,
        strategies_figure,
        strategies_table,
    )
    from ..tasks import get
    from ..training import TrainingConfig, check
    from ..training.comparison import strategy_run

    preset = QUICK if quick else {"updates": UPDATES, "seeds": SEEDS, "starts": STARTS}
    asked = {"updates": updates, "seeds": seeds, "starts": starts}
    chosen = {k: preset[k] if value is None else value for k, value in asked.items()}
    for name, value in chosen.items():
        if value < 1:
            raise ValueError(f"{name}: {value} given; it must be at least 1.")
    names = listed("strategies", strategies)
    if unknown := sorted(set(names) - set(STRATEGIES)):
        raise ValueError(
            f"strategies: {', '.join(unknown)} unknown; choose from "
            f"{', '.join(STRATEGIES)}."
        )
    settings = {
        **SHARED,
        "updates": chosen["updates"],
        "shortest": horizon,
        "longest": horizon,
    }
    configs = {
        name: [
            TrainingConfig.for_tasks(
                (task,), strategy=name, seed=seed, **settings, **OWN.get(name, {})
            )
            for seed in range(chosen["seeds"])
        ]
        for name in names
    }
    for group in configs.values():
        check(group[0], None, shared)  # before anything is written
    where = folder or Path("runs") / f"strategies-{task}{'-quick' if quick else ''}"
    print(f"folder: {where}")

    runs, total = {}, len(names) * chosen["seeds"]
    for name, group in configs.items():
        runs[name] = []
        for config in group:
            number = names.index(name) * len(group) + config.seed + 1
            label = f"{name}, seed {config.seed} ({number} of {total})"
            run = where / f"{name}-seed{config.seed}"
            trained(config, run, label, shared)
            runs[name].append(strategy_run(run, chosen["starts"]))
        # After every strategy: an unfinished comparison can be looked at.
        problem = get(task)
        figure = strategies_figure(
            runs,
            title=f"{task}: {chosen['updates']} meta-updates, {horizon} steps, "
            f"{chosen['starts']} held-out starts",
            reference=None
            if problem.reference is None
            else problem.reference / problem.unit,
        )
        write_figure(where / "strategies.png", figure)
        write_atomically(where / "strategies.csv", strategies_csv(runs))
    print(f"\n{strategies_table(runs)}\n")
    print(f"{where / 'strategies.png'}\n{where / 'strategies.csv'}")
