"""Features that rotate, reflect and permute with the structure."""

from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..._leaves import cast
from ..._platform import in_turn
from ...potentials import AbstractPotential, Observation
from ...spaces import pad_atoms
from ..base import State
from .base import AbstractFeatures, Reading, joined
from .clock import COUNT as CLOCK, clock

DECAYS = np.array([0.5, 0.9, 0.99, 0.999])
# Neighbour shells, as squared distances in natural lengths: first neighbours, the square
# diagonal of octahedral sites, third neighbours. Polynomial bumps in r^2 need neither a
# square root nor an exponential.
SHELLS = ((1.0, 0.75), (2.0, 1.0), (3.2, 1.4))
VECTOR_SHELLS = 2
# Where vectors stand: the gradient, its momenta, the offset from the centroid, shells.
OFFSET = 1 + len(DECAYS)
LARGEST_GRADIENT = 100.0
LARGEST_SHARE = 3.0
# From so many atoms on, a processor gains from going through the shells in turn.
MANY = 32


def _dot(a: Float[Array, "d *#k n"], b: Float[Array, "d *#k n"]) -> Float[Array, "*k n"]:
    # Unrolled over coordinates: whole rows of atoms then are the inner loop.
    return sum(a[c] * b[c] for c in range(a.shape[0]))  # type: ignore[return-value]


class Equivariant(AbstractFeatures[Float[Array, "d m r"]]):
    """Per-atom invariants for the network, and vectors for its outputs to weigh.

    Vectors: gradient, its momenta at four decays, offset from the centroid (zero in
    periodic cells), sums of difference vectors over two neighbour shells. Each is divided
    by its root mean square over the structure, one atom's share capped at 3.

    Invariants: magnitudes (logarithms of gradients and momenta), cosines between the
    vectors, radius of gyration and radial position, three shell occupations, atomic and
    mean energy, height above the best energy so far, and the clock. Lengths and energies
    count in the potential's natural units.

    Rows are padded like those of pairs: loops over atoms then have no remainder.
    """

    directions: ClassVar[int] = OFFSET + 1 + VECTOR_SHELLS
    # Against the gradient and its shorter momenta, a little inwards, and rather long steps.
    output_bias: ClassVar[tuple[float, ...]] = (*[-0.3] * 3, 0.0, 0.0, -0.3, 0.0, 0.0, 1.5)
    inputs: ClassVar[int] = 2 + len(DECAYS) + 7 + len(DECAYS) + 2 + len(SHELLS) + 3 + CLOCK

    def begin(
        self, potential: AbstractPotential, observation: Observation
    ) -> Float[Array, "d m r"]:
        rows = pad_atoms(observation.gradient.T)
        return jnp.zeros_like(rows, shape=(len(rows), len(DECAYS), rows.shape[1]))

    def _shells(
        self, potential: AbstractPotential, positions: Float[Array, "n d"]
    ) -> tuple[Float[Array, "d v n"], Float[Array, "s n"]]:
        pairs = potential.space.pairs(positions)
        inverse = 1 / cast(potential.scale, positions.dtype).length ** 2

        def shell(bounds: Float[Array, "2"]) -> tuple[Array, Array]:
            distance = (pairs.squared * inverse - bounds[0]) / bounds[1]
            return pairs.contract(jnp.square(jnp.maximum(1 - jnp.square(distance), 0)))

        bounds = jnp.asarray(SHELLS, positions.dtype)
        if len(positions) >= MANY:
            vectors, counts = in_turn(shell, bounds)
        else:
            each = [shell(bounds[k]) for k in range(len(SHELLS))]
            vectors, counts = map(jnp.stack, zip(*each, strict=True))
        return jnp.moveaxis(vectors[:VECTOR_SHELLS], 0, 1), counts

    def read(
        self, potential: AbstractPotential, state: State[Float[Array, "d m r"]]
    ) -> tuple[Reading, Float[Array, "d m r"]]:
        seen = state.observation
        x = seen.positions
        rows, dtype = x.shape[0], x.dtype
        n = potential.space.atoms(rows)
        if not isinstance(n, int):  # some atoms are absent
            n = jnp.maximum(n, 1).astype(dtype)
        unit = cast(potential.scale, dtype)
        tiny = jnp.asarray(1e-12, dtype)

        gradient = pad_atoms(seen.gradient.T) * (unit.length / unit.energy)
        # First by its largest component: squares of the strongest repulsion overflow.
        largest = jnp.max(jnp.abs(gradient), axis=0, keepdims=True)
        gradient = gradient * (LARGEST_GRADIENT / jnp.maximum(largest, LARGEST_GRADIENT))
        strength = jnp.sqrt(_dot(gradient, gradient) + tiny)
        gradient = gradient * jnp.minimum(1, LARGEST_GRADIENT / strength)[None]
        decays = jnp.asarray(DECAYS, dtype)[None, :, None]
        momenta = decays * state.memory + (1 - decays) * gradient[:, None]
        offsets = pad_atoms(potential.space.offsets(x).T) / unit.length
        neighbours, occupation = map(pad_atoms, self._shells(potential, x))
        vectors = jnp.concatenate(
            [gradient[:, None], momenta, offsets[:, None], neighbours / unit.length],
            axis=1,
        )

        squares = _dot(vectors, vectors) + tiny
        # One root gives both: quotients of short rows run one by one.
        inverse = jax.lax.rsqrt(squares)
        norms = squares * inverse
        # Over the atoms that are present; all others have no vectors.
        mean = jnp.mean(squares[:, :rows], axis=-1, keepdims=True) * (rows / n)
        spread = jnp.sqrt(mean)
        relative = norms / spread
        directions = vectors * inverse[None]
        basis = directions * jnp.minimum(relative, LARGEST_SHARE)[None]

        along_gradient = _dot(directions[:, :1], directions[:, 1:])
        outwards = _dot(directions[:, OFFSET : OFFSET + 1], directions[:, 1:OFFSET])
        # Of all, then some: logarithms of some would not fill vector registers.
        logs = (0.5 * jnp.log10(squares))[:OFFSET]
        height = (seen.energy - state.best_energy) / (n * unit.energy)
        mean_energy = seen.energy / (n * unit.energy)
        structure = jnp.stack(
            [
                jnp.log10(spread[0, 0]),
                spread[OFFSET, 0] / (0.43 * n ** (1 / x.shape[1])) - 1,
                jnp.clip(mean_energy / 5, -2, 2),
                jnp.tanh(height),
            ]
        )
        shares = pad_atoms(seen.atomic_energies)[None]
        own = joined(
            [
                logs[:1],
                logs[1:] - logs[:1],
                along_gradient,
                outwards,
                relative[OFFSET : OFFSET + 1] - 1,
                occupation / 6 - 1,
                jnp.clip(shares / (5 * unit.energy), -2, 2),
            ]
        )
        shared = jnp.concatenate([structure, clock(state).astype(dtype)])
        return Reading(inputs=own, basis=basis, shared=shared), momenta

    def arrange(
        self, combined: Float[Array, "c r"], shape: tuple[int, ...]
    ) -> Float[Array, "n d"]:
        return combined[:, : shape[0]].T
