"""Our own classes keep the contracts that `l2h.testing` holds others to."""

import equinox as eqx
import jax
import pytest

from l2h import tasks
from l2h.inits import Grown, Growth, Harmonic, Uniform
from l2h.meta import ES, ESMC, GA, NormalizedES
from l2h.optimizers import (
    LBFGS,
    Adam,
    BasinHopping,
    Fire,
    GradientDescent,
    Learned,
    Shake,
)
from l2h.potentials import LennardJones, SoftSphere
from l2h.testing import (
    INIT_CHECKS,
    OPTIMIZER_CHECKS,
    POTENTIAL_CHECKS,
    STRATEGY_CHECKS,
)
from l2h.testing.base import structure
from l2h.testing.optimizers import rotated_starts_give_rotated_runs

KEY = jax.random.key(7)


def learned(features):
    """Return a learned optimizer with random output weights; with zeros tests are empty."""
    optimizer = Learned.create(KEY, features=features, hidden=(8, 8))
    last = optimizer.network.weights[-1]
    drawn = 0.3 * jax.random.normal(KEY, last.shape, last.dtype)
    return eqx.tree_at(lambda o: o.network.weights[-1], optimizer, drawn)


def scoring():
    """Return growth with random output weights."""
    growth = Growth.create(KEY)
    last = growth.starts.scorer.network.weights[-1]
    drawn = jax.random.normal(KEY, last.shape, last.dtype)
    return eqx.tree_at(lambda g: g.starts.scorer.network.weights[-1], growth, drawn)


OPTIMIZERS = {
    "gradient descent": lambda: GradientDescent(1e-3),
    "adam": Adam,
    "lbfgs": lambda: LBFGS(history=3),
    "fire": lambda: Fire.original(0.02),
    # Its first hop is the eleventh step: later than equivariance is checked.
    "basin hopping": lambda: BasinHopping(GradientDescent(1e-3), Shake(0.1), limit=10),
    "equivariant": lambda: learned("equivariant"),
    "componentwise": lambda: learned("componentwise"),
}
# These act on coordinates.
TURNING = [name for name in OPTIMIZERS if name not in ("adam", "componentwise")]
POTENTIALS = {
    "lennard-jones": lambda: LennardJones(1.3, 0.7),
    "soft sphere": lambda: SoftSphere(1.4, 0.7, 6.0),
    "gupta": lambda: tasks.get("Ag4Au4").potential,
    "silicon": lambda: tasks.get("si8").potential,
    "rastrigin": lambda: tasks.get("rastrigin8").potential,
}
INITS = {"harmonic": Harmonic, "uniform": Uniform}
GROWING = {"grown": Grown, "learned growth": lambda: scoring().starts}
STRATEGIES = {
    "es": ES,
    "esmc": ESMC,
    "normalized-es": NormalizedES,
    "ga": lambda: GA(sigma=0.05),
}


@pytest.mark.parametrize("check", OPTIMIZER_CHECKS)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(name, check):
    OPTIMIZER_CHECKS[check](OPTIMIZERS[name](), LennardJones())


@pytest.mark.parametrize("name", TURNING)
def test_optimizers_that_turn_with_the_start(name):
    rotated_starts_give_rotated_runs(OPTIMIZERS[name](), LennardJones())


@pytest.mark.parametrize("check", POTENTIAL_CHECKS)
@pytest.mark.parametrize("name", POTENTIALS)
def test_potentials(name, check):
    potential = POTENTIALS[name]()
    POTENTIAL_CHECKS[check](potential, structure(potential, 8))


@pytest.mark.parametrize("check", INIT_CHECKS)
@pytest.mark.parametrize("name", INITS)
def test_inits(name, check):
    INIT_CHECKS[check](INITS[name](), LennardJones(), 8)


# Not that batches are single starts: rounding, which batches change, decides between sites
# of equal energy.
@pytest.mark.parametrize("check", ["starts_fit", "keys_decide"])
@pytest.mark.parametrize("name", GROWING)
def test_inits_that_grow(name, check):
    INIT_CHECKS[check](GROWING[name](), LennardJones(), 8)


@pytest.mark.parametrize("check", STRATEGY_CHECKS)
@pytest.mark.parametrize("name", STRATEGIES)
def test_strategies(name, check):
    STRATEGY_CHECKS[check](STRATEGIES[name]())
