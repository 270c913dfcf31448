"""Starts that grow from small symmetric cores."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from .._leaves import as_array, cast, require_positive
from ..lattice import Growing, grow, law, potential_with, settle, suits
from ..optimizers import LBFGS, quench
from ..potentials import AbstractPotential, Scale
from ..spaces import Partial, padded
from ..symmetry import Groups, symmetric_fill
from .base import AbstractDetailedInit, Spent, Start, require_draw
from .uniform import Uniform

# Radius of a close-packed ball of n atoms over n^(1/3), with a margin, in natural lengths.
PACKED = 0.55
GROUPS = ("C1", "Cs", "C2", "C3", "C5", "D3", "D5", "T", "Td", "C5v")


class Grown(AbstractDetailedInit):
    """Clusters grown from a small symmetric core, over the vacant sites of its surface.

    A point group and a size of the core are drawn; random orbits fill a ball; the core is
    quenched loosely; whole orbits of vacant sites join, the most strongly bound first, its
    energy changed by noise; the least bound atoms leave, or the best sites are filled,
    until the number is right, and atoms and vacancies are exchanged while that gains. Where
    a core falls apart, nothing grows on it, and the start is a uniform one. Where space
    says that atoms are absent, as many grow as are present, into the first rows.

    Arguments:
        groups: point groups of the cores, each as likely.
        noise: largest standard deviation of the change of binding energies, in natural
            energies; that of a start is drawn between zero and this.
        smallest, largest: atoms of a core, the largest as a fraction of all atoms; static.
        tolerance: of the core's quench, root mean square gradient in natural units.
        surplus: atoms that may grow beyond the number wanted; static.
        limit: most steps of the core's quench; static.

    Raises:
        ValueError: if a number is not positive, or `largest` exceeds 1.

    Reference: ours; measured in docs/search.md. Exchange with vacancies on a dynamic
        lattice: Shao, Cheng and Cai 2004, doi:10.1021/jp037780t.
    """

    groups: Groups = eqx.field(default_factory=lambda: Groups(GROUPS, jnp.float32))
    noise: Float[Array, ""] = eqx.field(converter=as_array, default=0.4)
    tolerance: Float[Array, ""] = eqx.field(converter=as_array, default=0.3)
    smallest: int = eqx.field(static=True, default=4)
    largest: float = eqx.field(static=True, default=0.6)
    surplus: int = eqx.field(static=True, default=8)
    limit: int = eqx.field(static=True, default=100)

    def __check_init__(self) -> None:
        require_positive(largest=self.largest, tolerance=self.tolerance)
        if self.largest > 1:
            raise ValueError(
                f"largest: {self.largest} given; cores have 1 times all atoms at most."
            )

    def start(
        self, key: PRNGKeyArray, potential: AbstractPotential, n: int, dtype: Any
    ) -> Start:
        require_draw(potential, n, dtype)
        if not suits(potential):
            raise ValueError(
                f"potential: {type(potential).__name__} cannot be grown: its space has "
                "images, or nothing says what a vacant site is worth; use another start, "
                "or register a law with l2h.lattice.law."
            )
        p = cast(self, dtype)
        scale = cast(potential.scale, dtype)
        capacity = padded(n + self.surplus)
        # Cores are much smaller than clusters, and quenched in rows of their own.
        rows = padded(max(self.smallest, int(self.largest * n)) + self.surplus)
        rows = min(rows, capacity)
        target = jnp.asarray(potential.space.atoms(n), jnp.int32)
        for_group, for_size, for_fill, for_noise, for_growth, for_rest = jax.random.split(
            key, 6
        )
        which = jax.random.randint(for_group, (), 0, len(p.groups.names))
        operations, mask = p.groups[which]
        most = jnp.maximum(p.largest * target.astype(dtype), self.smallest)
        span = jnp.floor(most - self.smallest + 1)
        size = self.smallest + jnp.floor(span * jax.random.uniform(for_size, (), dtype))
        size = size.astype(jnp.int32)
        filled = symmetric_fill(
            for_fill,
            operations,
            mask,
            size,
            size + self.surplus,
            PACKED * jnp.cbrt(size.astype(dtype)),
            capacity=rows,
        )
        present = jnp.arange(rows, dtype=jnp.int32) < filled.count
        core, evaluations = p._quenched(potential, filled.positions * scale.length, present)
        core = jnp.pad(core / scale.length, ((0, capacity - rows), (0, 0)))
        zero = jnp.asarray(0, jnp.int32)
        noise = p.noise * jax.random.uniform(for_noise, (), dtype)
        cluster = grow(
            for_growth,
            Growing(core, filled.count, zero),
            operations,
            mask,
            target,
            target + self.surplus,
            noise,
        )
        cluster = _counted(potential, cluster, target, scale)
        positions = cluster.positions[:n] * scale.length
        fallback = Uniform()(for_rest, potential, n, dtype)
        done = (cluster.count == target) & jnp.all(jnp.isfinite(positions))
        spent = Spent(evaluations, cluster.probes)
        return Start(jnp.where(done, positions, fallback), spent)

    def _quenched(
        self,
        potential: AbstractPotential,
        positions: Float[Array, "m 3"],
        present: Bool[Array, " m"],
    ) -> tuple[Float[Array, "m 3"], Int[Array, ""]]:
        """Relax the atoms that are there; return what that cost, too."""
        species = None
        if hasattr(potential, "species"):
            species = jnp.zeros(len(positions), jnp.int32)
        masked = potential_with(potential, Partial(present=present), species)
        relaxed = quench(
            masked,
            positions,
            tolerance=self.tolerance,
            limit=self.limit,
            optimizer=LBFGS.coarse(),
        )
        return relaxed.positions, relaxed.evaluations


def _counted(
    potential: AbstractPotential, cluster: Growing, n: Int[Array, ""], scale: Scale
) -> Growing:
    """Settle a cluster, and again, on new sites, while that brings it closer to n atoms."""
    known = law(potential)
    assert known is not None

    def going(state: tuple[Growing, Bool[Array, ""]]) -> Bool[Array, ""]:
        return state[1]

    def body(state: tuple[Growing, Bool[Array, ""]]) -> tuple[Growing, Bool[Array, ""]]:
        before, _ = state
        after, _ = settle(known, before, n, scale.length, scale.energy)
        return after, (after.count < n) & (after.count > before.count)

    return jax.lax.while_loop(going, body, (cluster, jnp.asarray(True)))[0]
