"""Find the best rate of Adam by a grid and by learning: pieces composed by hand.

python -m pipelines.tune lj13 --steps 500

`l2h tune` is the same for all baselines, in a folder from which it goes on.
"""

from typing import Annotated

import numpy as np
import tyro

from l2h.cli.launch import command, prepare


def main(
    name: Annotated[str, tyro.conf.Positional] = "lj13",
    /,
    *,
    steps: int = 500,
    starts: int = 50,
    updates: int = 50,
    seed: int = 0,
) -> None:
    """Tune Adam on one task.

    Args:
        name: Of a task.
        steps: Of a run.
        starts: Validation starts, and as many held-out ones.
        updates: Of learning, from the best of the grid.
        seed: Determines starts and noise.
    """
    prepare()
    from l2h import tasks
    from l2h.domains import Domain
    from l2h.evaluation import Method, evaluate
    from l2h.meta import NormalizedES, Objective, Trainer
    from l2h.optimizers import Adam

    task = tasks.get(name)

    def mean(optimizer: Adam, domain: Domain) -> float:
        method = Method("adam", optimizer, steps)
        indices, budget = range(starts), steps + 1
        found = evaluate(method, task, indices, budget=budget, seed=seed, domain=domain)
        return float(np.mean(found.energies))

    grid = [Adam(rate) for rate in np.geomspace(1e-3, 0.3, 6)]
    best = min(grid, key=lambda optimizer: mean(optimizer, Domain.VALIDATION))
    # What a grid cannot: all hyper-parameters at once, trained like a network.
    objective = Objective(shortest=steps, longest=steps)
    trainer = Trainer(NormalizedES(pairs=8), objective, [task], updates=max(updates, 1))
    state = trainer.strategy.init(best, seed)
    for _ in range(updates):
        state, _ = trainer(state)
    for words, optimizer in (("grid", best), ("learned", state.optimizer)):
        energy = mean(optimizer, Domain.TEST)
        print(f"{words}: rate {float(optimizer.rate):.4g}, mean energy {energy:.4f}")


if __name__ == "__main__":
    command(main, kept="nothing is kept; l2h tune keeps what it has")
