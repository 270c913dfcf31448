"""Files from strangers are refused in words, before anything large is built."""

import json
import tracemalloc

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from l2h import weights
from l2h.io import container, read_metadata, save
from l2h.optimizers import Adam, Learned
from l2h.training import TrainingConfig, pieces

SMALL = TrainingConfig.for_tasks("lj5", hidden=(4,))


def card(config=SMALL, **changes):
    return {"kind": "weights", "config": config.to_toml(), **changes}


def forged(path, header, payload=b""):
    """Write a header of one's own, with a digest that fits."""
    start = {"format": container.FORMAT}
    end = {"sha256": "0" * 64}
    line = json.dumps({**start, **header, **end}).encode() + b"\n"
    whole = line + payload
    path.write_bytes(container._with_digest(whole, len(line), container._digest(whole)))


GOOD = {"schema": 1, "l2h": "0.1.0", "metadata": card(), "leaves": []}
LEAF = {"path": ".x", "dtype": "float32", "shape": [2], "bytes": 8}


@pytest.mark.parametrize(
    "header",
    [
        {k: v for k, v in GOOD.items() if k != "metadata"},
        {k: v for k, v in GOOD.items() if k != "leaves"},
        {**GOOD, "leaves": {}},
        {**GOOD, "leaves": [3]},
        {**GOOD, "leaves": [{**LEAF, "bytes": -8}]},
        {**GOOD, "leaves": [{**LEAF, "bytes": "8"}]},
        {**GOOD, "leaves": [{**LEAF, "shape": [-2]}]},
        {**GOOD, "leaves": [{**LEAF, "shape": 2}]},
        {**GOOD, "leaves": [{**LEAF, "dtype": "float99"}]},
        {**GOOD, "leaves": [{**LEAF, "dtype": ["float32"]}]},
        {**GOOD, "leaves": [LEAF, LEAF]},
        {**GOOD, "leaves": [{**LEAF, "path": 3}]},
        {**GOOD, "schema": "one"},
        {**GOOD, "metadata": []},
    ],
)
def test_malformed_headers(tmp_path, header):
    path = tmp_path / "w.l2h"
    forged(path, header, bytes(16))
    for read in (weights.load, read_metadata):
        with pytest.raises(ValueError, match=r"w\.l2h: its first line was altered"):
            read(path)


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"kind": "weights"},
        {"kind": "weights", "config": 3},
        {"kind": "checkpoint", "config": SMALL.to_toml()},
        card(config=SMALL) | {"config": "hidden = ["},
        card(config=SMALL) | {"config": "x = " + 9000 * "[" + 9000 * "]"},
        card(config=SMALL) | {"config": "tasks = ['gold']"},
        card(config=SMALL) | {"config": "colour = 3"},
        card(config=SMALL) | {"config": "optimizer = 'mine'"},
    ],
)
def test_cards_that_say_nothing_useful(tmp_path, metadata):
    path = tmp_path / "w.l2h"
    save(path, pieces.optimizer(SMALL), metadata)
    with pytest.raises(ValueError, match=r"w\.l2h: (holds no weights|its settings)"):
        weights.load(path)


def test_deep_brackets(tmp_path):
    path = tmp_path / "w.l2h"
    deep = 100_000 * b"[" + 100_000 * b"]"
    path.write_bytes(b'{"format": "l2h-tree", "x": ' + deep + b', "sha256": ""}\n')
    with pytest.raises(ValueError, match=r"w\.l2h: its first line was altered"):
        read_metadata(path)


@pytest.mark.parametrize("hidden", [[20000, 20000], [2000, 2000]])
def test_cards_that_promise_more_than_there_is(tmp_path, hidden):
    path = tmp_path / "w.l2h"
    text = SMALL.to_toml().replace("hidden = [4]", f"hidden = {hidden}")
    save(path, pieces.optimizer(SMALL), {"kind": "weights", "config": text})
    weights.names()
    tracemalloc.start()
    before = jax.live_arrays()
    with pytest.raises(ValueError, match=r"w\.l2h"):
        weights.load(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # 4 million weights would be 16 MB, of arrays that Python does not count.
    assert peak < 8e6
    assert sum(x.size for x in jax.live_arrays()) - sum(x.size for x in before) < 1e6


def test_first_lines_are_read_up_to_a_bound(tmp_path, monkeypatch):
    monkeypatch.setattr(container, "_LONGEST_LINE", 100)
    path = tmp_path / "w.l2h"
    save(path, pieces.optimizer(SMALL), card())
    with pytest.raises(ValueError, match="within its first line"):
        read_metadata(path)


@pytest.mark.parametrize("bad", [jnp.nan, jnp.inf])
def test_weights_that_are_not_finite(tmp_path, bad):
    path, fine = tmp_path / "w.l2h", pieces.optimizer(SMALL)
    save(path, fine, card())
    assert isinstance(weights.load(path), Learned)
    spoiled = eqx.tree_at(lambda o: o.network.biases[0], fine, jnp.full(4, bad, "float32"))
    save(path, spoiled, card())
    with pytest.raises(ValueError, match=r"w\.l2h: leaf \.network\.biases\[0\] holds NaN"):
        weights.load(path)


def test_weights_of_any_optimizer_come_back(tmp_path):
    config = TrainingConfig.for_tasks("lj5", optimizer="adam")
    path = tmp_path / "w.l2h"
    save(path, pieces.optimizer(config), {"kind": "weights", "config": config.to_toml()})
    found = weights.load(str(path))
    assert isinstance(found, Adam) and found.rate.dtype == np.float32


def test_own_strategies_are_not_needed_to_use_weights(tmp_path):
    path = tmp_path / "w.l2h"
    text = SMALL.to_toml().replace('strategy = "normalized-es"', 'strategy = "hers"')
    save(path, pieces.optimizer(SMALL), {"kind": "weights", "config": text})
    assert isinstance(weights.load(path), Learned)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nowhere.l2h", "nowhere.l2h cannot be read .No such file"),
        ("gold", "'gold' is unknown; choose from"),
        (["lj13"], "a list given"),
        (3, "a int given"),
    ],
)
def test_names_that_are_none(name, words):
    # The run-time type checker, on in tests, may be the first to object.
    with pytest.raises((ValueError, TypeError), match=f"{words}|name"):
        weights.load(name)
