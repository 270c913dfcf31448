"""What a hit costs, as an objective: growth is trained by it."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, PRNGKeyArray

from .._leaves import as_array, require_positive
from .._platform import in_turn
from ..inits import Growth
from ..meta import AbstractObjective
from ..potentials import AbstractPotential
from .abandonment import Abandonment
from .attempt import Begun, finish, probation, start as begin
from .crew import GROUP, LANES


class CostOfHit(AbstractObjective):
    r"""Logarithm of the evaluations per hit of attempts that grow, as a search makes them.

    \[ L = \ln \langle c_b \rangle - \ln\bigl(\langle h_b \rangle + p\bigr), \qquad
       h_b = \exp\Bigl(-\frac{\max(E_b - E_\mathrm{ref}, 0)}{\tau}\Bigr) \]

    over the attempts b of a batch: c_b counts evaluations, those of cores and of abandoned
    attempts included, and h_b is a soft hit, since hits are rare; zero for attempts that
    are given up. The best energy known is the reference, as late in a search. One start of
    a `Trainer` is one batch, and all members share its random numbers.

    Arguments:
        rule: by which attempts are given up, before a member's allowance.
        attempts: of a batch, a multiple of `lanes`; static.
        lanes: attempts of one vectorised program, a multiple of four; static.
        width: tau, in natural energies.
        prior: p, soft hits an attempt that are taken for granted, so that a batch without
            any has a finite loss.

    Raises:
        ValueError: if a number is not positive, or batches are no multiple of `lanes`.
    """

    rule: Abandonment = eqx.field(default_factory=Abandonment)
    attempts: int = eqx.field(static=True, default=64)
    lanes: int = eqx.field(static=True, default=LANES)
    width: Float[Array, ""] = eqx.field(converter=as_array, default=0.3)
    prior: Float[Array, ""] = eqx.field(converter=as_array, default=1e-3)

    def __check_init__(self) -> None:
        require_positive(width=self.width, prior=self.prior, lanes=self.lanes)
        if self.lanes % GROUP or self.attempts < 1 or self.attempts % self.lanes:
            raise ValueError(
                f"attempts, lanes: {self.attempts}, {self.lanes} given; take a multiple of "
                f"lanes, and of these a multiple of {GROUP}."
            )

    def horizon(
        self, key: PRNGKeyArray, progress: Float[Array, ""] | float = 0.0
    ) -> Int[Array, ""]:
        return jnp.asarray(0, jnp.int32)

    def loss(
        self,
        module: Growth,
        potential: AbstractPotential,
        start: Float[Array, "n d"],
        horizon: Int[Array, ""],
        *,
        key: PRNGKeyArray,
        reference: Float[Array, ""],
    ) -> tuple[Float[Array, ""], Bool[Array, ""]]:
        costs, hits = self.outcomes(module, potential, len(start), key, reference)
        costs = jnp.mean(costs.astype(start.dtype))
        hits = jnp.mean(hits) + self.prior.astype(start.dtype)
        return jnp.log(costs) - jnp.log(hits), jnp.isfinite(reference)

    def outcomes(
        self,
        growth: Growth,
        potential: AbstractPotential,
        n: int,
        key: PRNGKeyArray,
        reference: Float[Array, ""],
    ) -> tuple[Int[Array, " b"], Float[Array, " b"]]:
        """Return evaluations and soft hits of the attempts of a batch.

        Arguments:
            growth: how they start, and what they are allowed.
            potential: the energy surface.
            n: number of rows, absent atoms included.
            key: of all that is drawn.
            reference: lowest known energy, in the potential's unit.
        """
        dtype = reference.dtype
        unit = potential.scale.energy.astype(dtype)
        rule = self.rule.narrowed(growth.allowance)

        def first(keys: Key[Array, " l"]) -> Begun:
            walked = begin(growth.starts, None, potential, n, dtype, keys, None, n)
            return probation(rule, potential, walked)

        def last(begun: Begun) -> tuple[Int[Array, " l"], Float[Array, " l"]]:
            ended = finish(rule, potential, begun, reference)
            above = jnp.maximum(ended.energy - reference, 0) / (unit * self.width)
            hits = jnp.where(ended.finished, jnp.exp(-above.astype(dtype)), 0)
            return begun.spent.evaluations + ended.spent.evaluations, hits

        def grouped(tree: Any, size: int) -> Any:
            return jax.tree.map(lambda x: x.reshape(-1, size, *x.shape[1:]), tree)

        keys = jax.random.split(key, self.attempts)
        begun = in_turn(first, grouped(keys, self.lanes))
        begun = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), begun)
        # The hopeless are together, in groups that end at once.
        order = jnp.argsort(begun.expected)
        begun = jax.tree.map(lambda x: x[order], begun)
        costs, hits = in_turn(last, grouped(begun, GROUP))
        return costs.ravel(), hits.ravel()
