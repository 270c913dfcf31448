"""Several processes as one, on JAX's distributed runtime.

Every process makes the same updates. It evaluates its own chunks of each population and
exchanges losses with the others, nothing else; with one process, nothing is exchanged.
"""

from typing import TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

Tree = TypeVar("Tree")


def start(
    coordinator: str | None = None, index: int | None = None, count: int | None = None
) -> None:
    """Join the other processes; before anything else touches JAX's devices.

    Arguments:
        coordinator: address and port of the first process; None to ask the cluster's
            environment (SLURM and others that JAX knows).
        index: this process's number, from 0.
        count: number of processes.

    Raises:
        ValueError: if the arguments are incomplete or do not fit each other.
    """
    given = (coordinator, index, count)
    if any(x is None for x in given) and not all(x is None for x in given):
        raise ValueError(
            f"coordinator, process, processes: {coordinator}, {index}, {count} given; "
            "give all three, or none of them under SLURM."
        )
    if index is not None and count is not None and not 0 <= index < count:
        raise ValueError(
            f"process: {index} of {count} processes given; count from 0 to {count - 1}."
        )
    if coordinator is not None and not coordinator.rpartition(":")[2].isdigit():
        raise ValueError(
            f"coordinator: {coordinator!r} given; write ADDRESS:PORT, such as node01:9876."
        )
    jax.distributed.initialize(coordinator, count, index)


def index() -> int:
    """Return the number of this process."""
    return jax.process_index()


def count() -> int:
    """Return the number of processes."""
    return jax.process_count()


def gather(parts: list[tuple[np.ndarray, ...]], total: int) -> list[tuple[np.ndarray, ...]]:
    """Return all parts in order, where process i of n holds those numbered i, i + n, ...

    Arguments:
        parts: this process's own, tuples of arrays of the same shapes everywhere.
        total: number of parts of all processes together.
    """
    if count() == 1:
        return parts
    # Collectives need equal shapes: who holds fewer sends its last part once more.
    rounds = -(-total // count())
    filled = parts + [parts[-1]] * (rounds - len(parts))
    columns = tuple(np.stack(column) for column in zip(*filled, strict=True))
    received = multihost_utils.process_allgather(columns)
    return [
        tuple(column[part % count(), part // count()] for column in received)
        for part in range(total)
    ]


def from_first(tree: Tree) -> Tree:
    """Return the first process's value of a tree of arrays, on every process."""
    return tree if count() == 1 else multihost_utils.broadcast_one_to_all(tree)


def finish() -> None:
    """Part from the other processes; what follows, each does by itself."""
    if count() > 1:
        jax.distributed.shutdown()
