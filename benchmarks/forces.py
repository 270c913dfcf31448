"""Energy and gradient: the closed form against automatic differentiation and jax-md."""

import statistics
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from l2h.domains import Domain
from l2h.potentials import AbstractPotential
from l2h.tasks import Task, get

from .timing import ratio, rounds, shown

BATCH, EVALUATIONS = 256, 20


def starts(task: Task) -> jax.Array:
    """Return a batch of starts in single precision."""
    return task.draw(0, Domain.TEST, range(BATCH), jnp.dtype("float32")).positions


def repeated(
    evaluate: Callable[[Any], tuple[Any, Any]], x: jax.Array, count: int = EVALUATIONS
) -> Callable[[], Any]:
    """Return a program of many evaluations in a row at slowly moving positions."""

    @jax.jit
    def run(x: jax.Array) -> Any:
        def body(_: Any, carry: Any) -> Any:
            x, total = carry
            energy, gradient = jax.vmap(evaluate)(x)
            return x - 1e-6 * jnp.clip(gradient, -1, 1), total + energy

        return jax.lax.fori_loop(0, count, body, (x, jnp.zeros(len(x), x.dtype)))

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


def compare(
    label: str,
    x: jax.Array,
    potential: AbstractPotential,
    peer: Callable[[Any], Any] | None,
) -> None:
    """Print one line: the closed form against the textbook's gradient and a peer's."""
    contestants = {
        "closed": repeated(potential.energy_and_gradient, x),
        "textbook": repeated(jax.value_and_grad(potential.__call__), x),
    }
    if peer is not None:
        contestants["jax-md"] = repeated(jax.value_and_grad(peer), x)
    seconds = rounds(contestants)
    rate = BATCH * EVALUATIONS / statistics.median(seconds["closed"])
    textbook = shown(ratio(seconds["textbook"], seconds["closed"]))
    other = (
        shown(ratio(seconds["jax-md"], seconds["closed"])) if peer is not None else "none"
    )
    print(f"{label:>9} {rate:14,.0f}   {textbook:26}   {other}", flush=True)


def main() -> None:
    """Print the table."""
    print(f"Energy and gradient, {BATCH} structures at once, float32, {jax.devices()[0]}")
    print("     case  evaluations/s   against grad of textbook     against grad of jax-md")
    peer = jax_md_lennard_jones()
    for name in ("lj13", "lj38", "lj75"):
        task = get(name)
        compare(name, starts(task), task.potential, peer)
    for name in ("Au38", "Au55", "Ag19Au19"):
        task = get(name)
        compare(name, starts(task), task.potential, None)
