"""Energy and gradient: the closed form against automatic differentiation and jax-md."""

import statistics
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from l2h.inits import Harmonic
from l2h.potentials import AbstractPotential, LennardJones

from .timing import ratio, rounds, shown

BATCH, EVALUATIONS = 256, 20


def starts(potential: AbstractPotential, n: int) -> jax.Array:
    """Return a batch of starts in single precision."""
    keys = jax.random.split(jax.random.key(0), BATCH)
    draw = partial(Harmonic(), potential=potential, n=n, dtype=jnp.dtype("float32"))
    return jax.jit(jax.vmap(lambda key: draw(key)))(keys)


def repeated(evaluate: Callable[[Any], tuple[Any, Any]], x: jax.Array) -> Callable[[], Any]:
    """Return a program of many evaluations in a row at slowly moving positions."""

    @jax.jit
    def run(x: jax.Array) -> Any:
        def body(_: Any, carry: Any) -> Any:
            x, total = carry
            energy, gradient = jax.vmap(evaluate)(x)
            return x - 1e-6 * jnp.clip(gradient, -1, 1), total + energy

        return jax.lax.fori_loop(0, EVALUATIONS, body, (x, jnp.zeros(len(x), x.dtype)))

    return lambda: run(x)


def jax_md_lennard_jones() -> Callable[[Any], Any] | None:
    """Return jax-md's energy with its minimum at 1 and no cutoff, if it is installed."""
    try:
        from jax_md import energy, space
    except ImportError:
        return None
    displacement, _ = space.free()
    return energy.lennard_jones_pair(
        displacement, sigma=2 ** (-1 / 6), epsilon=1.0, r_onset=1e6, r_cutoff=2e6
    )


def main() -> None:
    """Print the table."""
    print(f"Lennard-Jones, {BATCH} structures at once, float32, {jax.devices()[0]}")
    print("atoms  evaluations/s   against grad of textbook     against grad of jax-md")
    potential = LennardJones()
    peer = jax_md_lennard_jones()
    for n in (13, 38, 75):
        x = starts(potential, n)
        contestants = {
            "closed": repeated(potential.energy_and_gradient, x),
            "textbook": repeated(jax.value_and_grad(potential.__call__), x),
        }
        if peer is not None:
            contestants["jax-md"] = repeated(jax.value_and_grad(peer), x)
        seconds = rounds(contestants)
        rate = BATCH * EVALUATIONS / statistics.median(seconds["closed"])
        columns = [shown(ratio(seconds["textbook"], seconds["closed"]))]
        columns.append(
            shown(ratio(seconds["jax-md"], seconds["closed"]))
            if peer is not None
            else "jax-md is not installed"
        )
        print(f"{n:5d} {rate:14,.0f}   {columns[0]:26}   {columns[1]}", flush=True)
