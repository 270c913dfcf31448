"""What is computed only where some walker needs it."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from l2h.optimizers.seldom import seldom


def counting():
    """Return a function that reports to Python whenever it is really computed."""
    calls = []

    def compute(x, key):
        jax.debug.callback(lambda _: calls.append(1), x)
        return 3 * x + jax.random.uniform(key, (), x.dtype)

    return compute, calls


@pytest.mark.parametrize("singly", [False, True])
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_values_are_chosen_and_computed_only_where_needed(depth, singly):
    compute, calls = counting()
    shape = (2, 3)[:depth]
    x = jnp.asarray(1.0 + np.arange(np.prod(shape)).reshape(shape))
    keys = jax.random.split(jax.random.key(0), shape) if shape else jax.random.key(0)

    def one(needed, x, key):
        return seldom(needed, compute, -x, x, key, singly=singly)

    run = one
    for _ in shape:
        run = jax.vmap(run)
    run = jax.jit(run)
    nobody = jnp.zeros(shape, bool)
    np.testing.assert_array_equal(run(nobody, x, keys), -x)
    jax.effects_barrier()
    assert calls == []
    somebody = nobody.at[(-1,) * depth].set(True)
    found = np.asarray(run(somebody, x, keys))
    jax.effects_barrier()
    assert len(calls) == (1 if singly else max(1, x.size))
    draw = jax.random.uniform
    for _ in shape:
        draw = jax.vmap(draw)
    expected = np.where(somebody, 3 * x + draw(keys), -x)
    np.testing.assert_allclose(found, expected, rtol=1e-15)


@pytest.mark.parametrize("singly", [False, True])
def test_arguments_may_be_shared_by_a_batch(singly):
    compute, _ = counting()
    x, key = jnp.asarray(2.0), jax.random.key(1)
    chosen = partial(seldom, singly=singly)
    run = jax.jit(jax.vmap(lambda needed: chosen(needed, compute, 0 * x, x, key)))
    found = run(jnp.asarray([False, True, False]))
    assert found[0] == found[2] == 0 and 6 <= float(found[1]) < 7
