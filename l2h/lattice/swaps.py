"""Which atoms of an alloy sit where: exchange of unlike atoms on fixed sites."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from .law import AbstractLaw
from .sites import squared_distances

# Natural energy that a swap must gain, and most swaps of one call.
GAIN, SWAPS = 0.01, 100


def swap_energies(
    law: AbstractLaw,
    positions: Float[Array, "n 3"],
    species: Int[Array, " n"],
    present: Bool[Array, " n"] | None = None,
) -> Float[Array, "n n"]:
    """Return the exact change of energy when an atom of species 0 (row) and one of species
    1 (column) change places, without relaxation; infinite for all other pairs.

    Arguments:
        law: pair and embedding terms.
        positions: in the unit of the law.
        species: zero or one for each atom.
        present: which atoms exist; all by default.
    """
    n = len(positions)
    exists = jnp.ones(n, bool) if present is None else present
    both = exists[:, None] & exists[None]
    squared = squared_distances(positions, positions)
    squared = jnp.where(both & ~jnp.eye(n, dtype=bool), squared, jnp.inf)
    zeros = jnp.zeros(n, jnp.int32)
    ones = zeros + 1
    alone = jnp.eye(n, dtype=bool)
    pair, weight = {}, {}
    for a, first in enumerate((zeros, ones)):
        for b, second in enumerate((zeros, ones)):
            v, w = law.tables(squared, first, second)
            pair[a, b] = jnp.where(alone, 0, v)
            weight[a, b] = jnp.where(alone, 0, w)
    is_one = species == 1

    def of(table: Any, kind: int) -> Float[Array, "n n"]:
        # Entry (i, j): what j, as it is, gives to i, were i of this kind.
        return jnp.where(is_one[None], table[kind, 1], table[kind, 0])

    bonds = [jnp.sum(of(pair, kind), axis=1) for kind in (0, 1)]
    gained = bonds[1] - bonds[0]
    change = gained[:, None] - gained[None]
    change += 2 * pair[0, 1] - pair[0, 0] - pair[1, 1]
    if law.embedded:
        density = [jnp.sum(of(weight, kind), axis=1) for kind in (0, 1)]
        here = jnp.where(is_one, density[1], density[0])
        # Entry (j, i): what j feels more if i turns from species 0 into 1.
        turned = jnp.where(
            is_one[:, None], weight[1, 1] - weight[1, 0], weight[0, 1] - weight[0, 0]
        )
        felt = here[:, None, None] + turned[:, :, None] - turned[:, None, :]
        others = law.embed(felt) - law.embed(here)[:, None, None]
        own = alone[:, :, None] | alone[:, None, :]
        change += jnp.sum(jnp.where(own, 0, others), axis=0)
        at_row = density[1][:, None] - weight[1, 1] + weight[1, 0]
        at_column = density[0][None] - weight[0, 0] + weight[0, 1]
        change += law.embed(at_row) - law.embed(density[0])[:, None]
        change += law.embed(at_column) - law.embed(density[1])[None]
    return jnp.where(both & ~is_one[:, None] & is_one[None], change, jnp.inf)


def arrange(
    law: AbstractLaw,
    positions: Float[Array, "n 3"],
    species: Int[Array, " n"],
    unit: Float[Array, ""] | float,
    present: Bool[Array, " n"] | None = None,
) -> tuple[Float[Array, "n 3"], Float[Array, ""]]:
    """Swap unlike atoms, the pair that gains most first, while that lowers the energy.

    Arguments:
        law: pair and embedding terms.
        positions: in the unit of the law.
        species: zero or one for each atom; those of the result.
        unit: natural energy, in the unit of the law.
        present: which atoms exist; all by default.

    Returns:
        Positions, exchanged between atoms, and the energy gained without relaxation.
    """

    def unfinished(state: Any) -> Any:
        _, _, going, count = state
        return going & (count < SWAPS)

    def body(state: Any) -> Any:
        x, total, _, count = state
        change = swap_energies(law, x, species, present)
        index = jnp.argmin(change)
        a, b = index // len(x), index % len(x)
        gain = -change[a, b]
        going = gain > GAIN * unit
        swapped = x.at[a].set(x[b]).at[b].set(x[a])
        return (
            jnp.where(going, swapped, x),
            total + jnp.where(going, gain, 0),
            going,
            count + 1,
        )

    zero = jnp.zeros((), positions.dtype)
    start = (positions, zero, jnp.asarray(True), jnp.asarray(0, jnp.int32))
    x, total, _, _ = jax.lax.while_loop(unfinished, body, start)
    return x, total
