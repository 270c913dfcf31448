"""Which structures are the same minimum."""

import math

import numpy as np
import pytest
from hypothesis import given
from strategies import permutation, random_cluster, rotation, seeds, separated
from trials import TASK

from l2h import tasks
from l2h.evaluation import distinct, fingerprint


@given(x=separated(sizes=(5,)), seed=seeds())
def test_moved_structures_are_the_same_minimum(x, seed):
    moved = [
        x,
        x @ rotation(seed).T + 3.0,
        x @ rotation(seed, reflect=True).T,
        x[permutation(seed, len(x))],
    ]
    assert distinct(TASK, np.zeros(4), np.stack(moved)) == [0]


@given(x=separated(sizes=(5,)), seed=seeds())
def test_unlike_atoms_are_told_apart(x, seed):
    alloy = tasks.get("Ag2Au3")
    x = x * float(alloy.potential.scale.length)
    allowed = np.concatenate([permutation(seed, 2), 2 + permutation(seed, 3)])
    assert distinct(alloy, np.zeros(2), np.stack([x, x[allowed]])) == [0]
    # An isosceles pyramid with one of its own corners exchanged for the apex.
    x = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0], [0.5, 0.5, 1.5]])
    x = x * float(alloy.potential.scale.length)
    assert len(distinct(alloy, np.zeros(2), np.stack([x, x[[4, 1, 2, 3, 0]]]))) == 2


def test_isomers_of_equal_energy_are_told_apart():
    # An octahedron with one capped face, and a pentagonal bipyramid.
    octahedron = np.concatenate([np.eye(3), -np.eye(3)]) / math.sqrt(2)
    capped = np.concatenate([octahedron, [np.full(3, 0.8165)]])
    angles = 2 * math.pi * np.arange(5) / 5
    ring = 0.85 * np.stack([np.cos(angles), np.sin(angles), 0 * angles], 1)
    bipyramid = np.concatenate([ring, [[0, 0, 0.52], [0, 0, -0.52]]])
    both = np.stack([capped, bipyramid])
    assert distinct(TASK, np.zeros(2), both) == [0, 1]
    assert distinct(TASK, np.array([0.0, -1e-3]), both[[0, 0]]) == [1, 0]
    assert distinct(TASK, np.array([np.inf, np.nan]), both) == []


def test_different_structures_with_the_same_distances_are_told_apart():
    pair = [[0, 1, 4, 10, 12, 17], [0, 1, 8, 11, 13, 17]]
    both = np.zeros((2, 6, 3))
    both[:, :, 0] = pair
    both /= 5

    def distances(x):
        return np.sort(np.linalg.norm(x[:, None] - x[None], axis=-1).ravel())

    np.testing.assert_allclose(distances(both[0]), distances(both[1]))
    assert len(distinct(TASK, np.zeros(2), both)) == 2


@pytest.mark.parametrize("seed", range(3))
def test_periodic_structures_may_be_shifted(seed):
    silicon = tasks.get("si8")
    cell = np.asarray(silicon.potential.space.cell)
    rng = np.random.default_rng(seed)
    x = rng.uniform(size=(8, 3)) @ cell
    images = x + rng.integers(-2, 3, (8, 3)) @ cell + rng.normal(size=3)
    moved = images[permutation(seed, 8)]
    other = x + rng.normal(0, 0.5, x.shape)
    assert distinct(silicon, np.zeros(3), np.stack([x, moved, other])) == [0, 2]


def test_skewed_cells_use_the_nearest_image():
    cell = np.array([[4.0, 0, 0], [3.0, 4.0, 0], [-3.0, 1.0, 4.0]])
    task = tasks.silicon(cell, 2)
    x = np.random.default_rng(0).uniform(size=(2, 3)) @ cell
    grid = np.stack(np.meshgrid(*[np.arange(-4, 5)] * 3), -1).reshape(-1, 3) @ cell
    nearest = np.min(np.linalg.norm(x[0] - x[1] + grid, axis=1))
    found = fingerprint(task, x)[0] * float(task.potential.scale.length)
    assert found == pytest.approx(nearest)


def test_random_clusters_are_all_different():
    both = np.stack([random_cluster(seed, 8) for seed in range(5)])
    assert len(distinct(TASK, np.zeros(5), both)) == 5
