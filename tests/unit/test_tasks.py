"""Tasks by name: what they contain, what they refuse, and that they can be searched."""

import csv
from importlib import resources

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from l2h import inits, rollout, tasks
from l2h.cli.compared import Compared
from l2h.inits import Uniform
from l2h.optimizers import LBFGS, Adam
from l2h.spaces import Free, Periodic
from l2h.tasks import FAMILIES, expanded, get, held_out, metals, require_distinct
from l2h.training import TrainingConfig

KEY = jax.random.key(0)
PAIRS = ("Ag-Au", "Ag-Pt", "Pd-Au", "Pd-Pt")
# Name, number of atoms, chemical formula.
KNOWN = {
    "lj2": (2, None),
    "lj13": (13, None),
    "Au55": (55, {"Au": 55}),
    "Ag13": (13, {"Ag": 13}),
    "Pt38": (38, {"Pt": 38}),
    "Pd2": (2, {"Pd": 2}),
    "Ag19Au19": (38, {"Ag": 19, "Au": 19}),
    "Ag1Pt1": (2, {"Ag": 1, "Pt": 1}),
    "Pd37Au1": (38, {"Pd": 37, "Au": 1}),
    "Pd32Pt6": (38, {"Pd": 32, "Pt": 6}),
    "si8": (8, {"Si": 8}),
    "si64": (64, {"Si": 64}),
    "si216-paper": (216, {"Si": 216}),
    "rastrigin10": (10, None),
    "ackley2": (2, None),
    "griewank5": (5, None),
    "styblinski-tang4": (4, None),
    "schwefel3": (3, None),
}


def distances(potential, x):
    """Return the distance of every pair, by nearest image where space has images."""
    d = np.asarray(x)[:, None] - np.asarray(x)[None]
    if isinstance(potential.space, Periodic):
        cell = np.asarray(potential.space.cell)
        # Edges are orthogonal in these cells.
        d = d - np.round(d @ np.linalg.inv(cell)) @ cell
    return np.linalg.norm(d, axis=-1)[np.triu_indices(len(d), k=1)]


@pytest.mark.parametrize("name", KNOWN)
def test_names(name):
    task = tasks.get(name)
    n, formula = KNOWN[name]
    assert task.name == name
    assert task.n == n
    if formula is None:
        assert task.symbols is None
    else:
        counts = {symbol: task.symbols.count(symbol) for symbol in task.symbols}
        assert counts == formula
        assert list(counts) == list(formula)


@pytest.mark.parametrize(
    ("name", "remedy"),
    {
        "nonsense": "known names: lj13",
        "lj": "known names: lj13",
        "lj1": "at least 2",
        "Au": "known names",
        "Au1": "at least 2",
        "Au0": "at least 1",
        "Ag0Au13": "leave out",
        "Au19Ag19": "Ag19Au19",
        "Ag3Pd4": "choose from Ag, Au, Pd, Pt, Ag-Au",
        "Ag3Ag4": "once",
        "Cu13": "choose from Ag, Au, Pd, Pt",
        "si10": "si8 and si64",
        "si0": "si8",
        "si100-paper": "si64-paper and si216-paper",
        "rastrigin0": "at least 1",
        "sphere3": "rastrigin10",
    }.items(),
)
def test_refused_names(name, remedy):
    with pytest.raises(ValueError, match=remedy):
        tasks.get(name)


def test_refused_arguments():
    with pytest.raises(ValueError, match="choose from full, paper"):
        tasks.diamond(8, "printed")
    with pytest.raises(ValueError, match="choose from ackley"):
        tasks.function("sphere", 3)
    with pytest.raises(ValueError, match="choose from"):
        tasks.metal({})


def test_families_are_described():
    shown = "; ".join(tasks.names())
    for example in ("lj13", "Au55", "Ag19Au19", "si64", "rastrigin10"):
        assert example in shown
        tasks.get(example)


@pytest.mark.parametrize("pair", PAIRS)
def test_every_composition(pair):
    first, second = pair.split("-")
    for count in range(1, 13):
        task = tasks.get(f"{first}{count}{second}{13 - count}")
        assert task.symbols == (first,) * count + (second,) * (13 - count)
        # The species of the potential are those of the structure files.
        species = np.asarray(task.potential.species)
        assert [(first, second)[s] for s in species] == list(task.symbols)
        assert task.reference is None


def test_alloys_and_metals_have_their_own_gold():
    gold = tasks.get("Au13").potential.p[0, 0]
    silver_gold = tasks.get("Ag6Au7").potential.p[1, 1]
    assert (float(gold), float(silver_gold)) == (10.229, 10.139)


def test_references_of_metals():
    found = metals.minima()
    assert len(found) == 10
    for cluster, energy in found.items():
        task = tasks.get(cluster)
        assert task.reference == energy
        # Bound, but by less than the bulk: 8.61 natural energies an atom.
        bulk = -8.61 * task.n * float(task.potential.scale.energy)
        assert bulk < energy < 0.7 * bulk
    assert tasks.get("Au14").reference is None


@pytest.mark.parametrize("name", ["si8", "si64", "si8-paper", "si64-paper"])
def test_references_of_silicon(name):
    task = tasks.get(name)
    sites = np.array([[0, 0, 0], [0, 2, 2], [2, 0, 2], [2, 2, 0]]) / 4
    sites = np.concatenate([sites, sites + 0.25])
    k = round((task.n / 8) ** (1 / 3))
    tiles = np.stack(np.meshgrid(*3 * [np.arange(k)]), axis=-1).reshape(-1, 1, 3)
    x = ((sites + tiles) / k).reshape(-1, 3) @ np.asarray(task.potential.space.cell)
    perfect = task.potential(jnp.asarray(x))
    np.testing.assert_allclose(task.reference, perfect, rtol=1e-12)


def test_paper_minimum_of_silicon():
    file = resources.files("l2h.data").joinpath("silicon_minima.csv").read_text()
    assert {row["edge"] for row in csv.DictReader(file.splitlines())} == {"5.428"}
    assert tasks.get("si64-paper").reference == pytest.approx(-277.2045, abs=5e-5)


def test_silicon_in_a_custom_cell():
    cell = np.array([[8.0, 0, 0], [1, 9, 0], [0, 0, 10]])
    task = tasks.silicon(cell, 20, "paper", name="slanted")
    assert (task.name, task.n, task.reference) == ("slanted", 20, None)
    np.testing.assert_array_equal(task.potential.space.cell, cell)
    assert tasks.silicon(cell, 20).name == "si20-custom"
    x = task.init(KEY, task.potential, task.n, jnp.float64)
    assert np.isfinite(task.potential(x))


def test_functions_start_in_their_domain():
    for name, half in (("rastrigin", 5.12), ("schwefel", 500), ("styblinski-tang", 5)):
        task = tasks.get(f"{name}40")
        assert isinstance(task.init, Uniform)
        assert task.potential.space == Free(1, invariant=False)
        x = task.init(KEY, task.potential, task.n, jnp.float64)
        assert x.shape == (40, 1)
        assert 0.8 * half < np.max(np.abs(x)) <= half
        assert np.min(x) < -0.5 * half < 0.5 * half < np.max(x)
    assert tasks.get("schwefel3").reference == 0
    assert tasks.get("styblinski-tang4").reference == pytest.approx(-39.16617 * 4)


def test_many_tasks_are_named_once_each():
    many = tuple(f"lj{n}" for n in range(5, 101))
    require_distinct(many)
    assert TrainingConfig(tasks=many).tasks == many
    assert len(Compared(",".join(many)).problems()) == 96
    for names, words in (((), "none given"), (("si8", "lj5", "si8"), "si8 named twice")):
        with pytest.raises(ValueError, match=f"^tasks: {words}"):
            require_distinct(names)
        with pytest.raises(ValueError, match=f"^tasks: {words}"):
            TrainingConfig(tasks=names)


@pytest.mark.parametrize("name", ["lj13", "Au13", "Ag6Au7", "Pt38", "si8", "si64"])
@pytest.mark.parametrize("seed", [0, 1])
def test_starts_do_not_overlap(name, seed):
    task = tasks.get(name)
    x = task.init(jax.random.key(seed), task.potential, task.n, jnp.float64)
    assert np.all(np.isfinite(x))
    assert np.min(distances(task.potential, x)) > 0.5 * float(task.potential.scale.length)


@pytest.mark.parametrize("optimizer", [LBFGS(), Adam(0.01)], ids=["lbfgs", "adam"])
@pytest.mark.parametrize("name", ["Au13", "Ag6Au7", "si8", "rastrigin3"])
def test_searches_go_down(name, optimizer):
    task = tasks.get(name)
    x = task.init(KEY, task.potential, task.n, jnp.float64)
    start = float(task.potential.observe(x).energy)
    end = rollout(optimizer, task.potential, x, 100, key=KEY)
    assert bool(end.state.valid)
    assert float(end.best_energy) < start - 0.5 * float(task.potential.scale.energy)
    if task.reference is not None:
        assert float(end.best_energy) >= task.reference - 1e-6


@pytest.mark.parametrize("name", FAMILIES)
def test_families_name_tasks_that_exist_and_keep_some_apart(name):
    family = FAMILIES[name]
    tasks = [get(task) for task in (*family.tasks, *family.held_out)]
    assert len({task.name for task in tasks}) == len(tasks)
    assert expanded(name) == family.tasks
    require_distinct(family.tasks)
    assert held_out(expanded(name)) == family.held_out


def test_families_may_stand_among_names():
    assert expanded("lj5, gupta-au55") == ("lj5", "Au55")
    assert held_out(("lj5", "Au55")) == ()
    with pytest.raises(ValueError, match="lj13"):
        require_distinct(expanded("lj-family,lj13"))


@pytest.mark.parametrize(
    ("name", "init"),
    [
        ("lj38-symmetric", "Symmetric"),
        ("si64-paper-symmetric", "Symmetric"),
        ("Au38-grown", "Grown"),
        ("rastrigin3-uniform", "Uniform"),
    ],
)
def test_other_starts_leave_the_task_as_it_is(name, init):
    task, plain = tasks.get(name), tasks.get(name.rpartition("-")[0])
    assert type(task.init).__name__ == init and task.name == name
    assert (task.n, task.reference) == (plain.n, plain.reference)
    assert eqx.tree_equal(task.potential, plain.potential)


def test_starts_of_your_own_have_a_name():
    inits.register("mine", lambda potential, n: inits.Uniform(0.1 * n))
    try:
        assert float(tasks.get("lj7-mine").init.edge) == pytest.approx(0.7)
    finally:
        del inits.STARTS["mine"]
    with pytest.raises(ValueError, match="hyphen"):
        inits.register("of-mine", lambda potential, n: inits.Uniform())


def test_paper_starts_are_denser():
    key = jax.random.key(0)
    radius = {}
    for name in ("lj38", "lj38-paper"):
        task = get(name)
        x = task.init(key, task.potential, task.n, jnp.float64)
        radius[name] = float(jnp.std(x))
        assert (task.name, task.reference) == (name, get("lj38").reference)
    assert radius["lj38-paper"] < 0.9 * radius["lj38"]
