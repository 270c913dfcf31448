"""Steps a second of an optimizer, by batch size, on every kind of device: how many searches
an accelerator wants at once."""

import argparse
import statistics
import time
from typing import Any

import jax
import jax.numpy as jnp

from l2h import weights
from l2h._platform import kinds
from l2h._registry import listed
from l2h.optimizers import LBFGS
from l2h.tasks import get

from .forces import starts
from .steps import rollouts
from .timing import rounds

TASKS, BATCHES = ("lj38", "lj75", "si64-paper"), (64, 1024, 8192)
STEPS, ROUNDS = 50, 3


def rate(optimizer: Any, task: Any, batch: int) -> tuple[float, float]:
    """Return steps a second of so many searches at once, and the seconds of compilation."""
    few = starts(task)
    x = few[jnp.arange(batch) % len(few)]
    program = rollouts(task.potential, STEPS)
    begun = time.perf_counter()
    jax.block_until_ready(program(optimizer, x))
    compilation = time.perf_counter() - begun
    taken = rounds({"": lambda: program(optimizer, x)}, count=ROUNDS)[""]
    return batch * STEPS / statistics.median(taken), compilation


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batches")
    parser.add_argument("--tasks", default=",".join(TASKS))
    parser.add_argument("--batches", default=",".join(map(str, BATCHES)))
    arguments = parser.parse_args()
    optimizers = {"learned": weights.load("lj-family"), "lbfgs": LBFGS()}
    print(f"steps a second, jax {jax.__version__}, rollouts of {STEPS} steps")
    print("device             task        batch  optimizer       steps/s  compilation/s")
    for device in reversed(kinds()):  # accelerators first
        for task in listed("tasks", arguments.tasks):
            for batch in map(int, listed("batches", arguments.batches)):
                for name, optimizer in optimizers.items():
                    with jax.default_device(device):
                        steps, compilation = rate(optimizer, get(task), batch)
                    print(
                        f"{device.device_kind[:17]:<17}  {task:<10} {batch:6d}  {name:<9} "
                        f"{steps:13,.0f} {compilation:14.1f}",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
