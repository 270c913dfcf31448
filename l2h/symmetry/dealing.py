"""Species for the orbits of a structure."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray


def deal(
    key: PRNGKeyArray, species: Int[Array, " n"], orbits: Int[Array, " n"], whole: bool
) -> Int[Array, " n"]:
    """Return, for each atom, the place it takes, so that orbits are of one species.

    Orbits choose one after another, the largest first, among the species of which enough
    atoms are left, with odds as these; the others share what remains.

    Arguments:
        key: for the draw.
        species: of each atom.
        orbits: for each place, the number of the first place of its orbit.
        whole: whether orbits are dealt as wholes; if not, places are.
    """
    n = len(species)
    shuffle, choose = jax.random.split(key)
    places = jnp.arange(n, dtype=jnp.int32)
    # In one precision, so that the draw is the same in all.
    chance = jax.random.uniform(shuffle, (n,), jnp.float32)
    label = orbits if whole else places
    sizes = jnp.zeros(n, jnp.int32).at[label].add(1)
    left = jnp.zeros(n, jnp.int32).at[species].add(1)
    # Ties in size are broken at random; places that are no orbit's first have size zero.
    order = jnp.argsort(-sizes.astype(chance.dtype) - chance / 2)
    noise = jax.random.gumbel(choose, (n, n), jnp.float32)

    def step(
        left: Int[Array, " n"], item: tuple[Int[Array, ""], Float[Array, " n"]]
    ) -> tuple[Int[Array, " n"], Int[Array, ""]]:
        orbit, luck = item
        size = sizes[orbit]
        enough = (left >= size) & (left > 0) & (size > 0)
        odds = jnp.where(
            enough, jnp.log(jnp.maximum(left, 1).astype(luck.dtype)) + luck, -jnp.inf
        )
        kind = jnp.where(jnp.any(enough), jnp.argmax(odds), n).astype(jnp.int32)
        return left.at[kind].add(-size, mode="drop"), kind

    left, kinds = jax.lax.scan(step, left, (order, noise))
    dealt = jnp.zeros(n, jnp.int32).at[order].set(kinds)[label]
    # Orbits that no species fills: their places, in random order, take what is left.
    split = dealt == n
    rank = jnp.argsort(jnp.argsort(jnp.where(split, chance, 2.0))).astype(jnp.int32)
    sums = jnp.cumsum(left, dtype=jnp.int32)
    rest = jnp.searchsorted(sums, rank, side="right").astype(jnp.int32)
    dealt = jnp.where(split, rest, dealt)
    return places.at[jnp.argsort(species)].set(jnp.argsort(dealt).astype(jnp.int32))
