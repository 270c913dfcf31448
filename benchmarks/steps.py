"""The price of one step of each optimizer, in closed-form evaluations."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from l2h import rollout
from l2h.optimizers import LBFGS, BasinHopping, GradientDescent, Learned
from l2h.potentials import AbstractPotential, LennardJones
from l2h.tasks import get

from .forces import starts
from .timing import ratio, rounds, shown

STEPS = 100


class _Constant(eqx.Module):
    """Stands in for a network, to see what the network costs."""

    outputs: jax.Array

    def __call__(self, inputs: jax.Array, shared: jax.Array) -> jax.Array:
        # The inputs take part, so that computing them is not optimised away.
        seen = jnp.sum(inputs, axis=0, keepdims=True) + jnp.sum(shared)
        return self.outputs[:, None] + 1e-6 * seen


def contestants() -> dict[str, Any]:
    """Return the optimizers by name; the first makes little but its evaluation."""
    learned = Learned.create(jax.random.key(0))
    last = learned.network.weights[-1]
    noise = 0.1 * jax.random.normal(jax.random.key(1), last.shape, last.dtype)
    learned = eqx.tree_at(lambda o: o.network.weights[-1], learned, noise)
    outputs = jnp.zeros_like(learned.network.biases[-1])
    blind = eqx.tree_at(
        lambda o: o.network,
        learned,
        _Constant(outputs),
        is_leaf=lambda x: hasattr(x, "weights"),
    )
    return {
        "evaluation": GradientDescent(1e-6),
        "learned": learned,
        "features": blind,
        "lbfgs": LBFGS(),
        "hopping": BasinHopping.plain(),
        "two-phase": BasinHopping.strong(),
    }


def rollouts(potential: AbstractPotential, steps: int) -> Callable[..., jax.Array]:
    """Return a program of many rollouts at once: of an optimizer and starts, it returns the
    lowest energies."""

    @eqx.filter_jit
    def program(optimizer: Any, x: jax.Array) -> jax.Array:
        def one(start: jax.Array, key: jax.Array) -> jax.Array:
            return rollout(optimizer, potential, start, steps, key=key).best_energy

        return jax.vmap(one)(x, jax.random.split(jax.random.key(0), len(x)))

    return program


def main() -> None:
    """Print the table."""
    print(f"One step of an optimizer against one evaluation, {jax.devices()[0]}")
    optimizers, program = contestants(), rollouts(LennardJones(), STEPS)
    print("atoms  batch  " + "  ".join(f"{name:>22}" for name in list(optimizers)[1:]))
    for n in (13, 38, 75):
        x = starts(get(f"lj{n}"))[:64]

        def timed(optimizer: Any, x: jax.Array = x) -> Any:
            return lambda: program(optimizer, x)

        seconds = rounds({name: timed(o) for name, o in optimizers.items()})
        ratios = [
            shown(ratio(seconds[name], seconds["evaluation"]))
            for name in list(optimizers)[1:]
        ]
        print(f"{n:5d} {len(x):6d}  " + "  ".join(f"{r:>22}" for r in ratios), flush=True)
