"""Train a learned optimizer, examine it, and let it search: pieces composed by hand.

python -m pipelines.train lj13 --updates 250

Exchange any piece for one of your own (docs/extending.md). `l2h train` is the same with
every setting a flag, with validation, pictures, and a folder from which it goes on.
"""

from typing import Annotated

import jax
import tyro

from l2h.cli.launch import command, prepare


def main(
    name: Annotated[str, tyro.conf.Positional] = "lj13",
    /,
    *,
    updates: int = 250,
    pairs: int = 32,
    horizon: int = 250,
    starts: int = 150,
    seed: int = 0,
) -> None:
    """Train a learned optimizer on one task, and search with it.

    Args:
        name: Of a task.
        updates: Meta-updates.
        pairs: Antithetic pairs of an update.
        horizon: Steps of a rollout, the longest.
        starts: Held-out starts of the examination.
        seed: Determines everything random.
    """
    prepare()
    from l2h import search, tasks
    from l2h.engine import Arm
    from l2h.evaluation import Method, evaluate
    from l2h.meta import NormalizedES, Objective, Trainer, cosine
    from l2h.optimizers import Learned

    task = tasks.get(name)
    trainer = Trainer(
        strategy=NormalizedES(pairs=pairs, learning_rate=cosine(0.02, 0.006, updates)),
        objective=Objective(shortest=max(1, horizon // 5), longest=horizon),
        tasks=[task],
        updates=updates,
    )
    state = trainer.strategy.init(Learned.create(jax.random.key(seed)), seed)
    for update in range(updates):
        state, info = trainer(state)
        print(f"update {update + 1} of {updates}: mean loss {info['loss']:.3f}", flush=True)

    trained = Method("trained", state.optimizer, horizon)
    trials = evaluate(trained, task, range(starts), budget=horizon + 1, seed=seed)
    print(
        f"{trials.success:.1%} of {starts} held-out starts end in the lowest known minimum"
    )
    arm = Arm("trained", task.init, state.optimizer, horizon)
    found = search(task, arms=[arm], evaluations=20 * horizon, seed=seed)
    print(f"a search with it: {found.lowest:.6f}; {found.verdict}")


if __name__ == "__main__":
    command(main, kept="nothing is kept; l2h train keeps what it has")
