"""How the cost of one evaluation grows with the number of atoms, dense and with lists."""

import math
import statistics
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from l2h.potentials import LennardJones, StillingerWeber

from .forces import repeated
from .silicon import displaced
from .timing import rounds

CLUSTERS = (13, 38, 75, 147, 309, 561, 923, 2057, 4096)
CELLS = (2, 3, 4, 5, 6, 8)
# Pairs of atoms of one measurement, so that each takes about as long.
PAIRS = 2e7


def seconds(potential: Any, x: jax.Array) -> float:
    """Return the median time of one evaluation of one structure."""
    count = max(2, round(PAIRS / len(x) ** 2 / 5))
    run = repeated(potential.energy_and_gradient, x[None], min(count, 2000))
    return statistics.median(rounds({"": run}, count=5)[""]) / min(count, 2000)


def exponent(sizes: list[int], times: list[float]) -> float:
    """Return the slope over the upper half of the sizes, doubly logarithmic."""
    half = len(sizes) // 2
    return math.log(times[-1] / times[half]) / math.log(sizes[-1] / sizes[half])


def sphere(n: int) -> jax.Array:
    """Return a cluster cut out of a displaced simple crystal."""
    reach = math.ceil(n ** (1 / 3) / 2 + 1)
    axis = np.arange(-reach, reach + 1)
    sites = np.stack(np.meshgrid(axis, axis, axis), axis=-1).reshape(-1, 3)
    chosen = sites[np.argsort(np.sum(sites**2, axis=1), kind="stable")[:n]]
    moved = np.random.default_rng(0).normal(0, 0.05, chosen.shape)
    return jnp.asarray(chosen + moved, jnp.float32)


def lists(potential: StillingerWeber, x: jax.Array) -> Any:
    """Return the potential with a list of neighbours, or None: the cell is too small, or
    jax-md is not installed."""
    try:
        from l2h.interop.jax_md import listed

        return listed(potential, np.asarray(x))
    except (ImportError, ValueError):
        return None


def main() -> None:
    """Print both tables."""
    print(f"Energy and gradient of one structure, float32, {jax.devices()[0]}")
    print("Lennard-Jones cluster, dense")
    times = []
    for n in CLUSTERS:
        times.append(seconds(LennardJones(), sphere(n)))
        print(f"{n:6d} {1e6 * times[-1]:12,.1f} us", flush=True)
    print(f"grows as n^{exponent(list(CLUSTERS), times):.2f}")
    print("Silicon crystal: dense, with a list of neighbours")
    sizes, dense, crossing = [], [], None
    for cells in CELLS:
        cell, x = displaced(cells)
        potential = StillingerWeber.silicon(cell)
        sizes.append(len(x))
        dense.append(seconds(potential, x))
        sparse = lists(potential, x)
        line = "none"
        if sparse is not None:
            time = seconds(sparse, x)
            line = f"{1e6 * time:12,.1f} us"
            if crossing is None and time < dense[-1]:
                crossing = len(x)
        print(f"{len(x):6d} {1e6 * dense[-1]:12,.1f} us {line:>16}", flush=True)
    print(f"dense grows as n^{exponent(sizes, dense):.2f}; lists win from {crossing} atoms")


if __name__ == "__main__":
    main()
