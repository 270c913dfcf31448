"""Modules are told apart by all that makes them up, and known again elsewhere."""

import subprocess
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from l2h._digest import digest
from l2h.inits import Grown, Symmetric, Uniform
from l2h.optimizers import LBFGS, Adam, BasinHopping, Relay, Shake
from l2h.potentials import LennardJones
from l2h.spaces import Free


def one(x):
    return x


def other(x):
    return x


HOP = Shake(0.36)
PAIRS = [
    (1, 2),
    (1, 1.0),
    (True, 1),
    (None, "None"),
    (("ab", "c"), ("a", "bc")),
    ([1, 2], [[1], 2]),
    ({"a": 1}, {"a": 2}),
    (np.float32(1), np.float64(1)),
    (np.zeros(2), np.zeros((2, 1))),
    (np.zeros(2), np.array([0.0, -0.0])),
    (jax.random.key(0), jax.random.key(1)),
    (Adam(0.01), Adam(0.02)),
    (LBFGS(history=4), LBFGS(history=5)),
    (BasinHopping.plain(), BasinHopping.strong()),
    (BasinHopping(LBFGS(), HOP, limit=9), BasinHopping(LBFGS(), HOP, limit=8)),
    (Relay(Adam(), LBFGS(), 10), Relay(Adam(), LBFGS(), 11)),
    (Grown(smallest=4), Grown(smallest=5)),
    (Symmetric(("C2",)), Symmetric(("C3",))),
    (Symmetric(), Uniform()),
    (Free(), Free(2)),
    (one, other),
    (jnp.float32, jnp.float64),
]


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_what_differs_has_another_mark(a, b) -> None:
    assert digest(a) == digest(a) != digest(b) == digest(b)
    assert digest((a, b)) != digest((b, a))


def test_a_changed_bit_is_seen() -> None:
    potential = LennardJones()
    changed = eqx.tree_at(
        lambda p: p.length, potential, jnp.nextafter(potential.length, 2.0)
    )
    assert digest(potential) != digest(changed)


def test_the_mark_is_the_same_in_every_process() -> None:
    code = (
        "import jax; jax.config.update('jax_enable_x64', True)\n"
        "from l2h._digest import digest\n"
        "from l2h.inits import Grown; from l2h.optimizers import BasinHopping\n"
        "print(digest((Grown(), BasinHopping.strong())))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == digest((Grown(), BasinHopping.strong())), done.stderr
