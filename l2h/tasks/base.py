"""What is to be searched: a potential, a way to start, a number of atoms."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, PRNGKeyArray

from .._leaves import require_positive
from .._platform import accelerated
from ..domains import Domain, Purpose, attempt_keys
from ..inits import AbstractInit, begin_at
from ..potentials import AbstractPotential, Units, holds_callback

# Starts drawn at once, and walkers searched at once, on processors, whose caches hold so
# many, and on accelerators, which take as long for one: constant shapes, so that results
# do not depend on how many are asked for.
CHUNK, WIDE = 25, 250
# Starts are drawn in this precision whatever the search's: all searches begin alike.
DRAWN = jnp.float32
# Natural energies above the reference from where only a quench is left.
VICINITY = 0.01


class Starts(NamedTuple):
    """Starting structures, and what they have cost."""

    positions: Float[Array, "b n d"]
    evaluations: Int[np.ndarray, " b"]
    """That it took to draw each: none, for most distributions of starts."""


class Task(eqx.Module):
    """One search problem.

    Arguments:
        name: by which it is reported.
        potential: the energy surface.
        init: distribution of starts.
        n: number of atoms.
        symbols: chemical symbol of each atom, for structure files; None for no elements.
        reference: lowest known energy in the potential's unit, or None.
        tolerance: how far from the reference the energy of a quenched structure still is
            the same minimum's, in natural energies: the next minima of 65, 66, 94 and some
            140 Lennard-Jones atoms lie 0.002 to 0.008 above the lowest.

    Raises:
        ValueError: if `n` or `tolerance` is not positive or the symbols are not one per
            atom.
    """

    name: str = eqx.field(static=True)
    potential: AbstractPotential
    init: AbstractInit
    n: int = eqx.field(static=True)
    symbols: tuple[str, ...] | None = eqx.field(static=True, default=None)
    reference: float | None = eqx.field(static=True, default=None)
    tolerance: float = eqx.field(static=True, default=0.001)

    def __check_init__(self) -> None:
        if self.n < 1:
            raise ValueError(f"n: {self.n} atoms given; a task needs at least 1.")
        require_positive(tolerance=self.tolerance)
        if self.symbols is not None and len(self.symbols) != self.n:
            raise ValueError(
                f"symbols: {len(self.symbols)} given for {self.n} atoms; give one each."
            )

    @property
    def unit(self) -> float:
        """The natural energy, in the potential's unit."""
        return float(_unit(self.potential))

    @property
    def units(self) -> Units:
        """What its lengths and energies are called: the potential says so."""
        return self.potential.units

    @property
    def window(self) -> float:
        """The tolerance, in the potential's unit of energy."""
        return self.tolerance * self.unit

    @property
    def vicinity(self) -> float:
        """How close to the reference a structure has arrived that is not quenched, in the
        potential's unit of energy; whether it is that minimum, its quench tells."""
        return VICINITY * self.unit

    @property
    def width(self) -> int:
        """Starts drawn, and walkers searched, at once; one where the potential is a program
        outside of JAX, so that every call of it counts."""
        return 1 if holds_callback(self.potential) else chunk()

    def is_hit(
        self,
        energies: Float[np.ndarray, "..."] | Float[Array, "..."] | float,
        reference: float | None = None,
    ) -> Bool[np.ndarray, "..."]:
        """Return which energies are the reference's: within the tolerance, on either side.

        An energy further below is no hit: it is a discovery, or a bug.

        Arguments:
            energies: of quenched structures, in the potential's unit.
            reference: the energy that counts; the task's own by default. Without any,
                nothing is a hit.
        """
        reference = self.reference if reference is None else reference
        if reference is None or not np.isfinite(reference):
            return np.zeros(np.shape(energies), bool)
        return np.asarray(np.abs(np.asarray(energies) - reference) <= self.window)

    def draw(
        self,
        seed: int,
        domain: Domain,
        indices: Sequence[int],
        dtype: Any,
        attempt: int = 0,
    ) -> Starts:
        """Draw starts: the same for every optimizer, number of starts and precision.

        They are drawn in single precision and then cast.

        Arguments:
            seed: of the starts.
            domain: what they are for; starts of different domains share no randomness.
            indices: numbers of the starts; each depends on its own alone.
            dtype: floating-point type of the result.
            attempt: number of the restart, each from a start of its own.

        Raises:
            ValueError: if there are no indices.
        """
        if len(indices) < 1:
            raise ValueError("indices: none given; draw at least one start.")
        root, count = domain.key(seed), len(indices)
        path = [jnp.asarray(x, jnp.int32) for x in (attempt, Purpose.START)]
        drawn, width = [], self.width
        for first in range(0, count, width):
            keys = attempt_keys(root, chunk_of(indices, first, width), *path)
            drawn.append(_draw(self.init, self.potential, self.n, keys, DRAWN))
        starts, spent = (
            np.concatenate(parts)[:count] for parts in zip(*drawn, strict=True)
        )
        return Starts(jnp.asarray(starts.astype(dtype)), spent)

    def compile(self) -> None:
        """Compile the program that draws starts; nothing is drawn."""
        zero = jnp.asarray(0, jnp.int32)
        keys = attempt_keys(jax.random.key(0), chunk_of([0], 0, self.width), zero, zero)
        _draw.lower(self.init, self.potential, self.n, keys, DRAWN).compile()


def chunk() -> int:
    """Return how many starts are drawn and searched at once on this machine."""
    return WIDE if accelerated() else CHUNK


def chunk_of(indices: Sequence[int], first: int, width: int) -> Int[Array, " k"]:
    """Return indices from position `first` on, filled up with copies of the last."""
    places = np.minimum(np.arange(first, first + width), len(indices) - 1)
    return jnp.asarray(np.asarray(indices)[places], jnp.int32)


def draw(
    init: AbstractInit,
    potential: AbstractPotential,
    n: int,
    keys: Key[Array, " b"],
    dtype: Any,
) -> tuple[Float[Array, "b n d"], Int[Array, " b"]]:
    """Draw one start from each key, in single precision, and cast it; return the
    evaluations that each has cost, too.

    Arguments:
        init: distribution of starts.
        potential: gives space and natural length.
        n: number of atoms.
        keys: one for each start.
        dtype: floating-point type of the result.
    """

    def one(key: PRNGKeyArray) -> tuple[Float[Array, "n d"], Int[Array, ""]]:
        begun = begin_at(init, key, potential, n, DRAWN)
        return begun.positions, jnp.asarray(begun.spent.evaluations, jnp.int32)

    starts, spent = jax.vmap(one)(keys)
    return starts.astype(dtype), spent


# A program of its own, so that all optimizers get the same bits.
_draw = eqx.filter_jit(draw)
# One program: operation by operation, natural units of metals take longer than a search's
# step, and every look at a hit asks for them.
_unit = eqx.filter_jit(lambda potential: potential.scale.energy)
