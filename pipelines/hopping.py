"""What a learned optimizer has learned: its way, looked at step by step.

python -m pipelines.hopping
python -m pipelines.hopping --quick
python -m pipelines.hopping lj75 --optimizers lj-family,fire --steps 1000 --every 20

Minima below each state, how many of them, strides, their angle with the forces, and how
far a symmetric start stays symmetric.
"""

from pathlib import Path
from typing import Annotated

import tyro

from l2h.cli.launch import command, prepare


def main(
    name: Annotated[str, tyro.conf.Positional] = "lj38",
    /,
    *,
    optimizers: str = "lj38,adam",
    steps: int = 250,
    every: int = 5,
    starts: int = 25,
    seed: int = 0,
    folder: Path | None = None,
    quick: bool = False,
) -> None:
    """Let optimizers walk from the same starts, and look at every state on their way.

    Args:
        name: Of a cluster's task.
        optimizers: Names joined by commas, as `l2h evaluate` takes them.
        steps: Of each walk.
        every: Steps between two states whose minimum is looked up.
        starts: Held-out starts, and as many symmetric ones.
        seed: Determines starts and noise.
        folder: Where to write; runs/hopping-TASK by default.
        quick: A short form to try things out: 13 atoms, 20 steps, 4 starts.
    """
    prepare()
    from l2h import methods, tasks
    from l2h.evaluation import walk
    from l2h.io import write_atomically
    from l2h.report import write_figure
    from l2h.report.competition import rows_csv
    from l2h.report.walks import walks_figure, walks_rows

    if quick:
        name, steps, every, starts = "lj13", 20, 5, 4
    folder = folder or Path("runs") / f"hopping-{name}"
    plain, symmetric = [], []
    for method in methods.several(optimizers):
        for walks, task in ((plain, name), (symmetric, f"{name}-symmetric")):
            print(f"{method.name}: {task}, {starts} starts", flush=True)
            walks.append(
                walk(
                    method.name,
                    method.optimizer,
                    tasks.get(task),
                    range(starts),
                    steps=steps,
                    every=every,
                    seed=seed,
                )
            )
    rows = [
        {"starts": kind, **row}
        for kind, walks in (("random", plain), ("symmetric", symmetric))
        for row in walks_rows(walks)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "hopping.csv", rows_csv(rows))
    write_figure(folder / "hopping.png", walks_figure(plain, symmetric))
    for row in rows:
        if row["step"] in (0, steps):
            print(
                f"{row['optimizer']:16} {row['starts']:10} step {row['step']:4d}: minimum "
                f"below {row['quenched']:10.3f}, {row['in_reference']:.0%} the global one, "
                f"{row['minima_so_far']:.1f} minima so far"
            )
    print(f"{folder / 'hopping.png'}\n{folder / 'hopping.csv'}")


if __name__ == "__main__":
    command(main, kept="nothing is kept, as it takes a minute")
