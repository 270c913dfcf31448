"""When an attempt is not worth finishing."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from .._leaves import as_array, cast, require_positive
from ..optimizers import State
from ..potentials import COHESION, AbstractPotential


class Abandonment(eqx.Module):
    r"""When an attempt is hopeless: it would end too far above the best known energy.

    \[ E - \frac{|g|^2}{2 k} > E_\mathrm{best} + w\,B \]

    A quadratic well of curvature k has its minimum that far below. B is how strongly the
    best structure binds its atoms: its energy from that of separated atoms where the
    potential knows it, wherever its zero lies; that of a crystal of as many atoms, 8.61
    natural energies each, where it does not.

    Arguments:
        window: w, a fraction of the binding energy.
        curvature: k, natural energies per squared natural length.
        after: steps of the quench before which nobody is judged; static.

    Raises:
        ValueError: if a number is not positive.
    """

    window: Float[Array, ""] = eqx.field(converter=as_array, default=0.02)
    curvature: Float[Array, ""] = eqx.field(converter=as_array, default=60.0)
    after: int = eqx.field(static=True, default=8)

    def __check_init__(self) -> None:
        require_positive(window=self.window, curvature=self.curvature, after=self.after)

    def narrowed(self, allowance: Float[Array, ""] | float) -> "Abandonment":
        """Return the rule with this fraction of the window."""
        share = jnp.asarray(allowance, self.window.dtype)
        return eqx.tree_at(lambda rule: rule.window, self, self.window * share)

    def expected(self, potential: AbstractPotential, state: State) -> Float[Array, ""]:
        """Return the energy where the quench is expected to end."""
        seen = state.observation
        p, unit = cast((self, potential.scale), seen.energy.dtype)
        natural = seen.gradient * (unit.length / unit.energy)
        return seen.energy - unit.energy * jnp.sum(natural**2) / (2 * p.curvature)

    def hopeless(
        self,
        potential: AbstractPotential,
        n: Int[Array, ""] | int,
        expected: Float[Array, "..."] | Float[np.ndarray, "..."],
        best: Float[Array, ""] | Float[np.ndarray, ""],
    ) -> Bool[Array, "..."] | Bool[np.ndarray, "..."]:
        """Return whether to give up, on the host or inside a program.

        Arguments:
            potential: the energy surface.
            n: number of atoms.
            expected: where quenches are expected to end; what is not a number is hopeless.
            best: lowest energy known; infinite if none is, and then nobody is given up.
        """
        window: Any = self.window.astype(best.dtype)
        apart: Any = potential.separated
        if apart is None:
            crystal = COHESION * potential.scale.energy.astype(best.dtype)
            binding = crystal * jnp.asarray(n, best.dtype)
        else:
            zero = apart if isinstance(apart, float) else apart.astype(best.dtype)
            binding = abs(best - zero)
        return ~(expected <= best + window * binding)
