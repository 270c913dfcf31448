"""Standard functions of global optimization, of any dimension.

Positions are `"n 1"`, with n the dimension of the function: every optimizer of atoms then
works on them, coordinate by coordinate. Each function records its usual `domain` (the
half-width of a cube around the origin) and, in `minimum(n)`, its known global minimum.

Reference: Jamil & Yang 2013, doi:10.1504/IJMMNO.2013.055204.
"""

from abc import abstractmethod
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .function import FunctionPotential


class AbstractTestFunction(eqx.Module):
    """A function with a known global minimum."""

    domain: eqx.AbstractClassVar[float]
    """Half-width of the cube that is usually searched."""
    minimizer: eqx.AbstractClassVar[float]
    """Every coordinate of the global minimum."""
    length: eqx.AbstractClassVar[float]
    """Distance between neighbouring minima, or the function's width where there are few."""
    lowest: eqx.AbstractClassVar[float]
    """Value at the global minimum, per dimension."""

    @abstractmethod
    def __call__(self, positions: Float[Array, "n 1"]) -> Float[Array, ""]:
        """Return the value."""

    def minimum(self, n: int) -> float:
        """Return the value of the global minimum in `n` dimensions."""
        return n * self.lowest

    def potential(self, energy: float = 1.0) -> FunctionPotential:
        """Return the function as a potential.

        Arguments:
            energy: typical value per dimension, by which features become dimensionless.
        """
        return FunctionPotential(function=self, length=self.length, energy=energy)


class Rastrigin(AbstractTestFunction):
    r"""Parabola with a regular lattice of minima.

    \[ f = \sum_i \left[ 10 + x_i^2 - 10 \cos(2 \pi x_i) \right] \]
    """

    domain: ClassVar[float] = 5.12
    minimizer: ClassVar[float] = 0.0
    length: ClassVar[float] = 1.0
    lowest: ClassVar[float] = 0.0

    def __call__(self, positions: Float[Array, "n 1"]) -> Float[Array, ""]:
        # 10 - 10 cos(2y) = 20 sin(y)^2 without its loss of digits near the minimum.
        return jnp.sum(positions**2 + 20 * jnp.sin(np.pi * positions) ** 2)


class Ackley(AbstractTestFunction):
    r"""Nearly flat outer region, ripples, and one deep hole.

    \[ f = 20 + e - 20 e^{-0.2 \sqrt{\sum_i x_i^2 / n}}
       - e^{\sum_i \cos(2 \pi x_i) / n} \]

    Its minimum is a cusp, where the gradient is set to zero.
    """

    domain: ClassVar[float] = 32.768
    minimizer: ClassVar[float] = 0.0
    length: ClassVar[float] = 1.0
    lowest: ClassVar[float] = 0.0

    def __call__(self, positions: Float[Array, "n 1"]) -> Float[Array, ""]:
        square = jnp.mean(positions**2)
        away = square > 0
        radius = jnp.where(away, jnp.sqrt(jnp.where(away, square, 1)), 0)
        ripple = -2 * jnp.mean(jnp.sin(np.pi * positions) ** 2)
        return -20 * jnp.expm1(-0.2 * radius) - np.e * jnp.expm1(ripple)


class Griewank(AbstractTestFunction):
    r"""Wide parabola with ripples that no coordinate sees alone.

    \[ f = 1 + \sum_i \frac{x_i^2}{4000} - \prod_i \cos\frac{x_i}{\sqrt{i}} \]
    """

    domain: ClassVar[float] = 600.0
    minimizer: ClassVar[float] = 0.0
    length: ClassVar[float] = 2 * np.pi
    lowest: ClassVar[float] = 0.0

    def __call__(self, positions: Float[Array, "n 1"]) -> Float[Array, ""]:
        n = positions.shape[0]
        roots = np.sqrt(np.arange(1, n + 1))[:, None].astype(positions.dtype)
        return jnp.sum(positions**2) / 4000 + (1 - jnp.prod(jnp.cos(positions / roots)))


class StyblinskiTang(AbstractTestFunction):
    r"""Two wells for each coordinate, one of them deeper.

    \[ f = \tfrac12 \sum_i \left( x_i^4 - 16 x_i^2 + 5 x_i \right) \]
    """

    domain: ClassVar[float] = 5.0
    minimizer: ClassVar[float] = -2.903534027771177
    length: ClassVar[float] = 5.0
    lowest: ClassVar[float] = -39.16616570377142

    def __call__(self, positions: Float[Array, "n 1"]) -> Float[Array, ""]:
        x = positions
        return 0.5 * jnp.sum(x**4 - 16 * x**2 + 5 * x)


class Schwefel(AbstractTestFunction):
    r"""Minima that grow deeper outwards, the deepest one in a corner.

    \[ f = \sum_i \left[ c - x_i \sin\sqrt{|x_i|} \right], \quad c = 418.98288727243369 \]

    Usually searched in a cube of half-width 500; beyond, it falls without bound. Here each
    coordinate is reflected at the walls of that cube, which changes nothing inside and
    leaves the global minimum the lowest value anywhere.
    """

    domain: ClassVar[float] = 500.0
    minimizer: ClassVar[float] = 420.968746359982
    length: ClassVar[float] = 120.0
    lowest: ClassVar[float] = 0.0

    def __call__(self, positions: Float[Array, "n 1"]) -> Float[Array, ""]:
        period = 4 * self.domain
        phase = jnp.mod(positions + self.domain, period)
        x = jnp.minimum(phase, period - phase) - self.domain
        size = jnp.abs(x)
        away = size > 0
        root = jnp.where(away, jnp.sqrt(jnp.where(away, size, 1)), 0)
        return jnp.sum(418.98288727243369 - x * jnp.sin(root))
