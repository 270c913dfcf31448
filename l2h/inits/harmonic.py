"""Random starts without overlaps."""

from functools import partial
from typing import Any

import equinox as eqx
import jax
from jaxtyping import Array, Float, PRNGKeyArray

from .._leaves import as_array, require_positive
from .._rollout import rollout
from ..optimizers import AbstractOptimizer, GradientDescent
from ..potentials import AbstractPotential, SoftSphere
from .base import AbstractInit, require_draw
from .uniform import Uniform

# Folded into the key of a start. Steps fold their number into keys of searches, which may
# be the same key: no search has that many.
RELAXER = 2**32 - 1


class Harmonic(AbstractInit):
    """Uniform coordinates, relaxed under a soft-sphere repulsion.

    Arguments:
        box: where coordinates are drawn.
        diameter: soft-sphere diameter in natural lengths of the potential.
        relaxer: optimizer that spreads the atoms.
        steps: number of its steps.

    Raises:
        ValueError: if `diameter` is not positive or `steps` is negative.

    Reference: Learn2Hop, appendix D.2. Its setting, `Harmonic.paper()`, leaves 75 atoms
        at a smallest distance near 0.6; the default reaches the diameter.
    """

    box: Uniform = eqx.field(default_factory=Uniform)
    diameter: Float[Array, ""] = eqx.field(converter=as_array, default=1.0)
    relaxer: AbstractOptimizer = eqx.field(default_factory=partial(GradientDescent, 0.05))
    steps: int = eqx.field(static=True, default=200)

    def __check_init__(self) -> None:
        require_positive(diameter=self.diameter)
        if self.steps < 0:
            raise ValueError(f"steps: {self.steps} given; it must not be negative.")

    @staticmethod
    def paper(edge: float = 3.0) -> "Harmonic":
        """Return the paper's setting: 1000 steps of 1e-3 in a fixed box.

        Arguments:
            edge: 3.0 for Lennard-Jones, 4.0 (Angstrom) for Gupta; periodic cells ignore it.
        """
        return Harmonic(
            box=Uniform(edge, scaled=False), relaxer=GradientDescent(1e-3), steps=1000
        )

    def __call__(
        self, key: PRNGKeyArray, potential: AbstractPotential, n: int, dtype: Any
    ) -> Float[Array, "n d"]:
        require_draw(potential, n, dtype)
        positions = self.box(key, potential, n, dtype)
        length = (self.diameter * potential.scale.length).astype(dtype)
        # An energy of length^2 makes the relaxer's step dimensionless: the same
        # displacement, in diameters, for every material.
        repulsion = SoftSphere(length=length, energy=length**2, space=potential.space)
        relaxer_key = jax.random.fold_in(key, RELAXER)
        relaxed = rollout(self.relaxer, repulsion, positions, self.steps, key=relaxer_key)
        return relaxed.state.observation.positions
