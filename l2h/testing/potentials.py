"""The contract of potentials."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..potentials import AbstractPotential
from .base import plain, require, require_close, run_all, structure, tolerance

energy = eqx.filter_jit(lambda potential, x: potential(x))
gradient = eqx.filter_jit(lambda potential, x: jax.grad(lambda y: potential(y))(x))
observe = eqx.filter_jit(lambda potential, x: potential.observe(x))
observe_all = eqx.filter_jit(lambda potential, x: jax.vmap(potential.observe)(x))

Positions = Float[Array, "n d"]


def check_potential(
    potential: AbstractPotential, positions: Positions | None = None
) -> None:
    """Raise unless a potential keeps its contract.

    Energy and gradient that are observed are those of the textbook expression; shares of
    atoms sum to the energy; precision follows the positions; translations, rotations and,
    of atoms that are all alike, exchanges change nothing; batches are what single
    structures are; numbers are array leaves.

    Arguments:
        potential: the one in question.
        positions: of a structure that is not at a minimum; eight atoms by default.

    Raises:
        AssertionError: naming the promise.
    """
    x = structure(potential, 8) if positions is None else positions
    run_all(POTENTIAL_CHECKS, potential, x)


def forms_agree(potential: AbstractPotential, x: Positions) -> None:
    """Energy and gradient as observed are those of the textbook."""
    seen, close = observe(potential, x), tolerance(x.dtype, 10)
    require(seen.valid, "observe: a usual structure has a finite energy and gradient")
    require_close(
        seen.energy, energy(potential, x), "observe: the energy is that of the call", close
    )
    require_close(
        seen.gradient,
        gradient(potential, x),
        "observe: the gradient is the derivative of the call",
        close,
    )
    require(jnp.any(seen.gradient != 0), "observe: the structure is not at rest")


def shares_add_up(potential: AbstractPotential, x: Positions) -> None:
    """Atomic energies sum to the energy."""
    seen = observe(potential, x)
    require_close(
        jnp.sum(seen.atomic_energies),
        seen.energy,
        "observe: atomic energies sum to the energy",
        tolerance(x.dtype, 10),
    )


def precision_is_kept(potential: AbstractPotential, x: Positions) -> None:
    """All that is computed has the positions' precision."""
    for dtype in {jnp.dtype("float32"), x.dtype}:
        lower = x.astype(dtype)
        found = {
            leaf.dtype
            for leaf in plain((observe(potential, lower), energy(potential, lower)))
        }
        require(found == {dtype}, f"precision: positions in {dtype} give {found}")


def frames_do_not_matter(potential: AbstractPotential, x: Positions) -> None:
    """Translations and, in free space, rotations change nothing."""
    if not potential.space.invariant:
        return
    here, close = observe(potential, x), tolerance(x.dtype, 1000)
    there = observe(potential, x + jnp.asarray(0.7, x.dtype))
    require_close(there.gradient, here.gradient, "a translation changes nothing", close)
    if hasattr(potential.space, "cell"):
        return
    d = x.shape[1]
    turn, _ = jnp.linalg.qr(jax.random.normal(jax.random.key(1), (d, d), x.dtype))
    there = observe(potential, x @ turn.T)
    require_close(there.energy, here.energy, "a rotation keeps the energy", close)
    require_close(
        there.gradient, here.gradient @ turn.T, "a rotation turns the gradient", close
    )


def like_atoms_may_change_places(potential: AbstractPotential, x: Positions) -> None:
    """Exchanges of atoms change nothing, if the potential has nothing by atom."""
    n = x.shape[0]
    by_atom = any(n in leaf.shape for leaf in plain(potential))
    if by_atom or not potential.space.invariant:
        return
    order = jnp.roll(jnp.arange(n), 1)
    here, there = observe(potential, x), observe(potential, x[order])
    close = tolerance(x.dtype, 1000)
    require_close(there.gradient, here.gradient[order], "atoms may change places", close)
    require_close(
        there.atomic_energies,
        here.atomic_energies[order],
        "atoms take their shares along",
        close,
    )


def batches_are_single_structures(potential: AbstractPotential, x: Positions) -> None:
    """`jax.vmap` over structures gives what one after the other does."""
    several = jnp.stack([x, 1.02 * x])
    together = observe_all(potential, several)
    alone = [observe(potential, one) for one in several]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *alone)
    require_close(
        together, stacked, "a batch is what its members are", tolerance(x.dtype, 1000)
    )


def numbers_are_leaves(potential: AbstractPotential, x: Positions) -> None:
    """What one might sweep is an array, and the natural units are positive."""
    for leaf in jax.tree.leaves(potential):
        require(
            not isinstance(leaf, (bool, int, float, complex)),
            f"numbers are array leaves: {leaf!r} is not; give its field "
            "`eqx.field(converter=jnp.asarray)`",
        )
    unit = potential.scale
    require(unit.length > 0 and unit.energy > 0, "scale: length and energy are positive")


POTENTIAL_CHECKS: dict[str, Callable[[AbstractPotential, Positions], None]] = {
    check.__name__: check
    for check in (
        forms_agree,
        shares_add_up,
        precision_is_kept,
        frames_do_not_matter,
        like_atoms_may_change_places,
        batches_are_single_structures,
        numbers_are_leaves,
    )
}
