"""Train with several meta-strategies, same budget and seed: pieces composed by hand.

python -m pipelines.strategies lj13 --updates 100

`l2h strategies` is the comparison of the paper's appendix, with seeds and pictures.
"""

from typing import Annotated

import jax
import tyro

from l2h.cli.launch import command, prepare


def main(
    name: Annotated[str, tyro.conf.Positional] = "lj13",
    /,
    *,
    updates: int = 100,
    pairs: int = 20,
    horizon: int = 100,
    starts: int = 150,
    seed: int = 0,
) -> None:
    """Train one optimizer with each strategy on one task.

    Args:
        name: Of a task.
        updates: Meta-updates.
        pairs: Antithetic pairs; the genetic population is as large.
        horizon: Steps of a rollout.
        starts: Held-out starts.
        seed: Determines everything random.
    """
    prepare()
    from l2h import tasks
    from l2h.evaluation import Method, evaluate
    from l2h.meta import ES, ESMC, GA, NormalizedES, Objective, Trainer
    from l2h.optimizers import Learned

    task, objective = tasks.get(name), Objective(shortest=horizon, longest=horizon)
    strategies = {
        "es": ES(pairs=pairs),
        "esmc": ESMC(pairs=pairs),
        "ga": GA(members=2 * pairs, parents=pairs, elites=1, sigma=0.05),
        "normalized-es": NormalizedES(pairs=pairs),
    }
    for word, strategy in strategies.items():
        trainer = Trainer(strategy, objective, [task], updates=updates)
        state = strategy.init(Learned.create(jax.random.key(seed)), seed)
        loss = float("nan")
        for _ in range(updates):
            state, info = trainer(state)
            loss = float(info["loss"])
        method = Method(word, state.optimizer, horizon)
        trials = evaluate(method, task, range(starts), budget=horizon + 1, seed=seed)
        print(f"{word:14} last mean loss {loss:8.3f}, success {trials.success:.1%}")


if __name__ == "__main__":
    command(main, kept="nothing is kept; l2h strategies keeps what it has")
