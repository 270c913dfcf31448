"""Evolution strategies with plain antithetic differences."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .antithetic import AbstractAntithetic, halves
from .schedule import Cosine, schedule


class ES(AbstractAntithetic):
    r"""Evolution strategies: the gradient of the smoothed meta-loss, unbiased.

    \[ g = \frac{1}{m} \sum_i z_i\,
       \Bigl\langle \frac{L_{itc}(+) - L_{itc}(-)}{2\sigma} \Bigr\rangle_{tc} \]

    over tasks t and starts c. One exploding member decides alone; kept as the reference
    that the other strategies improve on.

    Arguments:
        pairs: number m of antithetic pairs.
        sigma: standard deviation of the perturbations, a number or a schedule.
        rate: learning rate of Adam, a number or a schedule.

    Raises:
        ValueError: if a number is not positive.

    Reference: Salimans et al. 2017, arXiv:1703.03864.
    """

    pairs: int = eqx.field(static=True, default=32)
    sigma: Cosine = eqx.field(converter=schedule("sigma"), default=0.1)
    rate: Cosine = eqx.field(converter=schedule("rate"), default=0.02)

    @property
    def population(self) -> int:
        return 2 * self.pairs

    def weights(
        self, losses: Float[Array, "q t c"]
    ) -> tuple[Float[Array, " m"], Float[Array, ""]]:
        differences = halves(losses, self.pairs)
        return jnp.mean(differences, axis=(1, 2)), jnp.zeros((), losses.dtype)
