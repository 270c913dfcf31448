"""Compare methods on the same starts, every evaluation counted: pieces composed by hand.

python -m pipelines.evaluate lj13 --budget 2000

`l2h evaluate` is the same for optimizers by name, in a folder from which it goes on.
"""

from typing import Annotated

import tyro

from l2h.cli.launch import command, prepare


def main(
    name: Annotated[str, tyro.conf.Positional] = "lj13",
    /,
    *,
    budget: int = 2000,
    starts: int = 50,
    seed: int = 0,
) -> None:
    """Compare a descent, basin hopping and a learned optimizer on one task.

    Args:
        name: Of a task.
        budget: Evaluations granted to each start.
        starts: Held-out starts.
        seed: Determines starts and noise.
    """
    prepare()
    from l2h import tasks, weights
    from l2h.evaluation import Method, compared, evaluate
    from l2h.optimizers import LBFGS, Adam, BasinHopping
    from l2h.report.competition import competition_table

    task = tasks.get(name)
    methods = [
        Method("Adam, once", Adam(0.01)),
        Method("L-BFGS, from start to start", LBFGS(), steps=0),
        Method("basin hopping", BasinHopping.plain()),
        Method("learned, 50 steps", weights.load("lj13"), steps=50),
    ]
    trials = [
        evaluate(method, task, range(starts), budget=budget, seed=seed)
        for method in methods
    ]
    # One reference for all: the task's own, or the lowest energy that any has found.
    print(competition_table([compared(trials)]))


if __name__ == "__main__":
    command(main, kept="nothing is kept; l2h evaluate keeps what it has")
