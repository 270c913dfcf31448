"""The price of one learned step, in closed-form energy-and-gradient evaluations."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from l2h.optimizers import GradientDescent, Learned
from l2h.potentials import LennardJones
from l2h.rollout import rollout
from l2h.tasks import get

from .forces import starts
from .timing import ratio, rounds, shown

STEPS = 20


def main() -> None:
    """Print the table."""
    print(f"One step of an optimizer against one evaluation, {jax.devices()[0]}")
    print("atoms  batch  learned step / evaluation    without network")
    potential = LennardJones()
    learned = Learned.create(jax.random.key(0))
    noise = 0.1 * jax.random.normal(
        jax.random.key(1), learned.network.weights[-1].shape, jnp.float32
    )
    learned = eqx.tree_at(lambda o: o.network.weights[-1], learned, noise)
    outputs = jnp.zeros_like(learned.network.biases[-1])
    blind = eqx.tree_at(lambda o: o.network, learned, _Constant(outputs), is_leaf=_is_net)
    for n in (13, 38, 75):
        x = starts(get(f"lj{n}"))[:64]

        def run(optimizer: Any, x: jax.Array = x) -> Any:
            @eqx.filter_jit
            def program(optimizer: Any, x: jax.Array) -> Any:
                def one(start: jax.Array) -> jax.Array:
                    key = jax.random.key(0)
                    done = rollout(optimizer, potential, start, STEPS, key=key)
                    return done.state.best_energy

                return jax.vmap(one)(x)

            return lambda: program(optimizer, x)

        seconds = rounds(
            {
                # Steepest descent: one evaluation and the bookkeeping of the contract.
                "evaluation": run(GradientDescent(1e-6)),
                "learned": run(learned),
                "blind": run(blind),
            }
        )
        whole = shown(ratio(seconds["learned"], seconds["evaluation"]))
        blindly = shown(ratio(seconds["blind"], seconds["evaluation"]))
        print(f"{n:5d} {len(x):6d}  {whole:27}  {blindly}", flush=True)


class _Constant(eqx.Module):
    """Stands in for a network, to see what the network costs."""

    outputs: jax.Array

    def __call__(self, inputs: jax.Array) -> jax.Array:
        # The inputs take part, so that computing them is not optimised away.
        return self.outputs[:, None] + 1e-6 * jnp.sum(inputs, axis=0)


def _is_net(x: Any) -> bool:
    return hasattr(x, "weights")
