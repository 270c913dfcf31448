"""Evolution strategies whose loss differences are normalised per task."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._leaves import as_array, cast, require_positive
from .antithetic import AbstractAntithetic, below_centre, halves
from .schedule import Cosine, schedule


class NormalizedES(AbstractAntithetic):
    r"""Evolution strategies in which every task has the same say and no pair too much.

    With D_it the difference (L(+) - L(-)) / 2 of pair i on task t, averaged over starts,

    \[ g = \frac{1}{m\,\sigma} \sum_i z_i\, \Bigl\langle \mathrm{clip}\!\left(
       \frac{D_{it}}{\sqrt{\langle D_{jt}^2 \rangle_j}}, \pm c\right) \Bigr\rangle_t . \]

    The normalisation makes tasks equal, whatever their energies, and the clip bounds what
    one pair can do.

    Arguments:
        pairs: number m of antithetic pairs.
        sigma: standard deviation of the perturbations, a number or a schedule.
        rate: learning rate of Adam, a number or a schedule.
        clip: c, in root mean squares.
        centre: whether params itself becomes the last member, and losses above its own
            are not counted, as in `ESMC`.

    Raises:
        ValueError: if a number is not positive.

    Reference: Salimans et al. 2017, arXiv:1703.03864, for the antithetic estimator; the
        normalisation is ours (docs/strategies.md).
    """

    pairs: int = eqx.field(static=True, default=32)
    sigma: Cosine = eqx.field(converter=schedule("sigma"), default=0.1)
    rate: Cosine = eqx.field(converter=schedule("rate"), default=0.02)
    clip: Float[Array, ""] = eqx.field(converter=as_array, default=2.0)
    centre: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        require_positive(clip=self.clip)

    @property
    def population(self) -> int:
        return 2 * self.pairs + self.centre

    def weights(
        self, losses: Float[Array, "q t c"]
    ) -> tuple[Float[Array, " m"], Float[Array, ""]]:
        clip = cast(self.clip, losses.dtype)
        kept = below_centre(losses)[0] if self.centre else losses
        differences = jnp.mean(halves(kept, self.pairs), axis=2)
        # Relative to the largest, or squares of huge losses would overflow.
        largest = jnp.max(jnp.abs(differences), axis=0, keepdims=True)
        relative = differences / jnp.where(largest > 0, largest, 1)
        spread = jnp.sqrt(jnp.mean(relative**2, axis=0, keepdims=True))
        ratio = relative / jnp.where(spread > 0, spread, 1)
        clipped = jnp.mean((jnp.abs(ratio) > clip).astype(losses.dtype))
        return jnp.mean(jnp.clip(ratio, -clip, clip), axis=1), clipped
