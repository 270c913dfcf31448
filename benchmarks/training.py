"""Updates a minute of meta-training, and evaluations a second in it."""

import statistics
from typing import Any

import jax

from l2h.training import TrainingConfig, pieces

from .timing import rounds

TASKS, STEPS, PAIRS = ("lj13", "lj38", "lj75", "Au38", "si64"), 100, 16


def main() -> None:
    """Print the table."""
    print(f"Updates of {PAIRS} pairs, {STEPS} steps, one device, {jax.devices()[0]}")
    print("  task  updates/minute  evaluations/s")
    for name in TASKS:
        config = TrainingConfig.for_tasks(name, pairs=PAIRS, shortest=STEPS, longest=STEPS)
        trainer = pieces.trainer(config)
        state = trainer.strategy.init(pieces.optimizer(config), config.seed)

        def update(trainer: Any = trainer, state: Any = state) -> Any:
            return trainer(state)[1]["loss"]

        seconds = statistics.median(rounds({"": update}, count=3)[""])
        rate = trainer.evaluations(STEPS) / seconds
        print(f"{name:>6} {60 / seconds:15.1f} {rate:14,.0f}", flush=True)
