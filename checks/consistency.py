"""The same result in every way of computing it, and the conservation laws."""

from collections.abc import Iterator

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from l2h.potentials import Observation

from .base import Context, Row, Skip, check, large, small
from .cases import Case, cases, magnitude, observe, steepest

SOURCE = "the same function, evaluated twice"
LAW = "conservation law"


def apart(one: Observation, other: Observation) -> float:
    """Return the larger of the relative differences in energy and gradient."""
    energy = abs(float(one.energy) - float(other.energy)) / magnitude(one)
    gradient = np.max(np.abs(np.asarray(one.gradient) - np.asarray(other.gradient)))
    return max(energy, float(gradient) / steepest(one))


def chosen(context: Context) -> list[Case]:
    """Return the cases that are compiled in further ways: in a quick run, some."""
    return [case for case in cases() if case.brief or not context.quick]


def shaken(case: Case, count: int) -> np.ndarray:
    """Return several structures near that of a case."""
    moves = np.random.default_rng(7).normal(size=(count, *case.positions.shape))
    return case.positions + 0.02 * case.length * moves


@check("consistency")
def devices(context: Context) -> Iterator[Row | Skip]:
    accelerated = context.device.platform != "cpu"
    processor = jax.devices("cpu")[0]
    elsewhere = 0
    for case in cases():
        here = observe(case.potential, jnp.asarray(case.positions))
        elsewhere += here.energy.devices() != {context.device}
        if accelerated:
            with jax.default_device(processor):
                there = observe(case.potential, jnp.asarray(case.positions))
            name = f"{case.name}: {context.device.platform} against cpu"
            yield small(name, apart(here, there), 1e-12, SOURCE)
    yield small("results not on the device under test", elsewhere, 0.5, "placement")
    if not accelerated:
        yield Skip("accelerator against cpu", "JAX sees no accelerator here")


@check("consistency")
def compilation(context: Context) -> Iterator[Row]:
    for case in chosen(context):
        compiled = observe(case.potential, case.positions)
        with jax.disable_jit():
            plain = case.potential.observe(jnp.asarray(case.positions))
        yield small(f"{case.name}: jit = no jit", apart(compiled, plain), 1e-12, SOURCE)


@check("consistency")
def batches(context: Context) -> Iterator[Row]:
    @eqx.filter_jit
    def together(potential, batch):
        return jax.vmap(lambda x: potential.observe(x))(batch)

    for case in chosen(context):
        batch = shaken(case, 3)
        seen = together(case.potential, jnp.asarray(batch))
        errors = [
            apart(observe(case.potential, x), jax.tree.map(lambda a, k=k: a[k], seen))
            for k, x in enumerate(batch)
        ]
        yield small(f"{case.name}: vmap = loop", max(errors), 1e-12, SOURCE)


@check("consistency")
def conservation(context: Context) -> Iterator[Row]:
    for case in cases():
        if not case.invariant:
            continue
        seen = observe(case.potential, case.positions)
        x, gradient = case.positions, np.asarray(seen.gradient)
        total = np.max(np.abs(gradient.sum(axis=0))) / steepest(seen)
        yield small(f"{case.name}: sum of forces", total, 1e-12, LAW)
        if case.cell is None:
            torque = np.cross(x - x.mean(axis=0), gradient).sum(axis=0)
            size = steepest(seen) * np.max(np.abs(x - x.mean(axis=0)))
            error = np.max(np.abs(torque)) / size
            yield small(f"{case.name}: torque", error, 1e-12, LAW)


@check("consistency")
def lattice_translations(context: Context) -> Iterator[Row]:
    rng = np.random.default_rng(11)
    for case in cases():
        if case.cell is None:
            continue
        here = observe(case.potential, case.positions)
        turns = rng.integers(-3, 4, case.positions.shape)
        moved = case.positions + turns @ case.cell
        error = apart(here, observe(case.potential, moved))
        yield small(f"{case.name}: lattice translations", error, 1e-11, LAW)
        # Half a lattice vector, and one atom only, is another structure.
        moved = case.positions.copy()
        moved[0] += 0.5 * case.cell[0]
        error = apart(here, observe(case.potential, moved))
        yield large(f"{case.name}: control, half a vector", error, 1e-3, LAW)
