"""How much each antithetic pair counts in an evolution strategy."""

from abc import abstractmethod

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._leaves import as_array, cast, require_positive


class AbstractShaping(eqx.Module):
    """Turns the losses of a population into one weight for every antithetic pair."""

    @property
    @abstractmethod
    def centre(self) -> bool:
        """Whether the unperturbed optimizer is evaluated as well, as the last member."""

    @abstractmethod
    def __call__(
        self, losses: Float[Array, "q t c"], pairs: int
    ) -> tuple[Float[Array, " m"], Float[Array, ""]]:
        """Return the weight of every pair, and the fraction that was clipped.

        Arguments:
            losses: of all members on tasks and starts, finite, and so are sums of them:
                first those perturbed one way, then the other, then the centre.
            pairs: number m of pairs.
        """


class Plain(AbstractShaping):
    """The mean of (L(+) - L(-)) / 2 over tasks and starts: what `ES` does."""

    @property
    def centre(self) -> bool:
        return False

    def __call__(
        self, losses: Float[Array, "q t c"], pairs: int
    ) -> tuple[Float[Array, " m"], Float[Array, ""]]:
        return jnp.mean(halves(losses, pairs), axis=(1, 2)), jnp.zeros((), losses.dtype)


class Clipped(AbstractShaping):
    """The same of losses that are not counted above the centre's: what `ESMC` does."""

    @property
    def centre(self) -> bool:
        return True

    def __call__(
        self, losses: Float[Array, "q t c"], pairs: int
    ) -> tuple[Float[Array, " m"], Float[Array, ""]]:
        kept, above = below_centre(losses)
        return jnp.mean(halves(kept, pairs), axis=(1, 2)), above


class Normalized(AbstractShaping):
    """Differences over their root mean square, by task: what `NormalizedES` does.

    Arguments:
        clip: largest normalised difference, in root mean squares.
        below_centre: whether losses above the centre's are not counted, as in `Clipped`.

    Raises:
        ValueError: if `clip` is not positive.
    """

    clip: Float[Array, ""] = eqx.field(converter=as_array, default=2.0)
    below_centre: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        require_positive(clip=self.clip)

    @property
    def centre(self) -> bool:
        return self.below_centre

    def __call__(
        self, losses: Float[Array, "q t c"], pairs: int
    ) -> tuple[Float[Array, " m"], Float[Array, ""]]:
        clip = cast(self.clip, losses.dtype)
        kept = below_centre(losses)[0] if self.below_centre else losses
        differences = jnp.mean(halves(kept, pairs), axis=2)
        # Relative to the largest, or squares of huge losses would overflow.
        largest = jnp.max(jnp.abs(differences), axis=0, keepdims=True)
        relative = differences / jnp.where(largest > 0, largest, 1)
        spread = jnp.sqrt(jnp.mean(relative**2, axis=0, keepdims=True))
        ratio = relative / jnp.where(spread > 0, spread, 1)
        clipped = jnp.mean((jnp.abs(ratio) > clip).astype(losses.dtype))
        return jnp.mean(jnp.clip(ratio, -clip, clip), axis=1), clipped


def halves(losses: Float[Array, "q t c"], pairs: int) -> Float[Array, "m t c"]:
    """Return (L(+) - L(-)) / 2 of every pair, on every task and start."""
    # Halved first: the difference of two huge losses may exceed all numbers.
    return 0.5 * losses[:pairs] - 0.5 * losses[pairs : 2 * pairs]


def below_centre(
    losses: Float[Array, "q t c"],
) -> tuple[Float[Array, "q t c"], Float[Array, ""]]:
    """Return losses not above that of the last member, which is unperturbed, on the same
    task and start, and the fraction of perturbed ones that were above."""
    centre = losses[-1:]
    above = (losses[:-1] > centre).astype(losses.dtype)
    return jnp.minimum(losses, centre), jnp.mean(above)
