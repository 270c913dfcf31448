"""Energy functions of jax-md as potentials, and ours as energy functions of jax-md.

potential = from_jax_md(energy_fn, length=1.12, energy=1.0)
energy_fn = to_jax_md(potential)
"""

from collections.abc import Callable
from typing import Any

import jax
from jaxtyping import Array, Float

from ..potentials import AbstractPotential, FunctionPotential
from ..spaces import AbstractSpace, Free


def from_jax_md(
    energy_fn: Callable[..., Float[Array, ""]],
    *,
    length: float,
    energy: float,
    space: AbstractSpace | None = None,
    **fixed: Any,
) -> AbstractPotential:
    """Return an energy function of jax-md as a potential; gradients by differentiation.

    Arguments:
        energy_fn: maps positions to the total energy, as those of `jax_md.energy` do with
            a displacement function of `jax_md.space`; real coordinates, not fractional.
        length: natural length: the nearest-neighbour distance.
        energy: natural energy: cohesive energy per atom over 8.61.
        space: of the same extent as the displacement function: `Free()` (the default) or
            `Periodic(cell, cutoff)`. Learned features read pairs from it.
        **fixed: handed on in every call, such as `species` or a list of neighbours. A
            list out of date is not noticed here.

    Raises:
        ValueError: if `length` or `energy` is not positive.
    """
    # A partial of arrays is a tree: they stay leaves, and nothing is compiled twice.
    function = jax.tree_util.Partial(energy_fn, **fixed)
    return FunctionPotential(
        function=function,
        length=length,
        energy=energy,
        space=Free() if space is None else space,
    )


def to_jax_md(
    potential: AbstractPotential,
) -> Callable[[Float[Array, "n d"]], Float[Array, ""]]:
    """Return a potential as an energy function, for `jax_md.minimize` or `simulate`.

    Its derivative is the closed form of the gradient; there is no second one: use
    `potential` itself for those.

    Arguments:
        potential: its parameters and its space, cell included, are kept as they are.
    """

    @jax.custom_vjp
    def energy_fn(positions: Float[Array, "n d"]) -> Float[Array, ""]:
        return potential.observe(positions).energy

    def forward(positions: Any) -> tuple[Any, Any]:
        seen = potential.observe(positions)
        return seen.energy, seen.gradient

    energy_fn.defvjp(forward, lambda gradient, slope: (slope * gradient,))
    return energy_fn
