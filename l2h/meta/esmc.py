"""Evolution strategies with meta-loss clipping."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .antithetic import AbstractAntithetic, below_centre, halves
from .schedule import Cosine, schedule


class ESMC(AbstractAntithetic):
    r"""Evolution strategies that do not count losses above the unperturbed one.

    \[ g = \frac{1}{m} \sum_i z_i\, \Bigl\langle
       \frac{\min(L_{itc}(+), L_{tc}(0)) - \min(L_{itc}(-), L_{tc}(0))}{2\sigma}
       \Bigr\rangle_{tc} \]

    with the minimum taken for each task t and start c, before averaging: a member that
    explodes somewhere counts there as one that has not changed anything. Where the loss is
    linear this is half the estimate of `ES`; curvature makes it shorter.
    The last member is params itself.

    Arguments:
        pairs: number m of antithetic pairs.
        sigma: standard deviation of the perturbations, a number or a schedule.
        rate: learning rate of Adam, a number or a schedule.

    Raises:
        ValueError: if a number is not positive.

    Reference: Merchant, Metz, Schoenholz, Cubuk 2021, arXiv:2107.09661.
    """

    pairs: int = eqx.field(static=True, default=32)
    sigma: Cosine = eqx.field(converter=schedule("sigma"), default=0.1)
    rate: Cosine = eqx.field(converter=schedule("rate"), default=0.02)

    @property
    def population(self) -> int:
        return 2 * self.pairs + 1

    def weights(
        self, losses: Float[Array, "q t c"]
    ) -> tuple[Float[Array, " m"], Float[Array, ""]]:
        kept, above = below_centre(losses)
        return jnp.mean(halves(kept, self.pairs), axis=(1, 2)), above
