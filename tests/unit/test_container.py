"""Trees of arrays survive a file to the bit; anything else is refused with words."""

import json
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from l2h.io import container, load, read_metadata, save
from l2h.io.atomic import write_atomically

DTYPES = [
    "bool",
    "int8",
    "int32",
    "uint64",
    "float16",
    "bfloat16",
    "float32",
    "float64",
    "complex64",
]


class Box(eqx.Module):
    weight: jax.Array
    note: str
    act: Any = jnp.tanh


def example() -> dict[str, Any]:
    return {
        "box": Box(jnp.arange(6, dtype=jnp.float32).reshape(2, 3), "kept"),
        "counts": [np.arange(3), jnp.asarray(7, jnp.int32)],
        "empty": np.zeros((0, 4)),
        "nothing": None,
    }


def bits(array: Any) -> bytes:
    return np.asarray(array).tobytes()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tree.l2h"


def test_round_trip_keeps_values_kinds_and_metadata(path: Path) -> None:
    tree, metadata = example(), {"seed": 3, "sizes": [32, 32], "name": "é", "loss": None}
    save(path, tree, metadata)
    zeros = jax.tree.map(lambda x: x * 0 if eqx.is_array(x) else x, tree)
    found, seen = load(path, zeros)
    assert seen == metadata == read_metadata(path)
    assert jax.tree.structure(found) == jax.tree.structure(tree)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(tree), strict=True):
        if eqx.is_array(b):
            assert type(a) is type(b) and a.dtype == b.dtype and a.shape == b.shape
            assert bits(a) == bits(b)
        else:
            assert a is b


@settings(max_examples=50, deadline=None)
@given(data=st.data(), dtype=st.sampled_from(DTYPES), n=st.integers(0, 5))
def test_any_bit_pattern_survives(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, dtype: str, n: int
) -> None:
    # Raw bits: NaN payloads, signed zeros and subnormals among them.
    size = jnp.dtype(dtype).itemsize
    raw = data.draw(st.binary(min_size=n * size, max_size=n * size))
    if dtype == "bool":
        raw = bytes(b & 1 for b in raw)
    tree = {"x": np.frombuffer(raw, jnp.dtype(dtype))}
    path = tmp_path_factory.mktemp("bits") / "x"
    save(path, tree)
    assert bits(load(path, tree)[0]["x"]) == raw


@pytest.mark.parametrize("value", [0x7FC12345, 0xFFC00001, 0x80000000])
@pytest.mark.parametrize("weak", [False, True])
def test_device_arrays_keep_nan_payloads_and_weak_types(
    path: Path, value: int, weak: bool
) -> None:
    with jax.enable_x64(False):
        like = jnp.asarray(0.5) if weak else jnp.asarray(0.5, jnp.float32)
        assert like.weak_type is weak
        save(path, [np.uint32(value).view(np.float32)])
        (found,), _ = load(path, [like])
        assert found.weak_type is weak
        assert bits(found) == np.uint32(value).tobytes()


def test_shapes_alone_serve_as_expectation(path: Path) -> None:
    tree = example()
    save(path, tree)
    like = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype) if isinstance(x, jax.Array) else x,
        tree,
    )
    found, _ = load(path, like)
    assert bits(found["box"].weight) == bits(tree["box"].weight)


def test_big_endian_and_strided_arrays(path: Path) -> None:
    array = np.arange(12, dtype=">f8").reshape(3, 4)[:, ::2]
    save(path, [array])
    (found,), _ = load(path, [np.zeros((3, 2))])
    np.testing.assert_array_equal(found, array)


def test_first_line_explains_the_file(path: Path) -> None:
    save(path, example(), {"answer": 42})
    header = json.loads(path.read_bytes().split(b"\n")[0])
    assert header["format"] == container.FORMAT and header["schema"] == container.SCHEMA
    assert header["metadata"] == {"answer": 42}
    assert {"path": "['box'].weight", "dtype": "float32", "shape": [2, 3], "bytes": 24} in (
        header["leaves"]
    )


def test_same_tree_gives_the_same_file(tmp_path: Path) -> None:
    for name in "ab":
        save(tmp_path / name, example(), {"a": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_truncated_anywhere_is_refused(path: Path) -> None:
    save(path, example(), {"seed": 1})
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=rf"{path.name}: truncated.*another copy"):
            load(path, example())


def test_every_flipped_byte_is_refused(path: Path) -> None:
    save(path, example(), {"seed": 1})
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x11]) + whole[place + 1 :])
        with pytest.raises(ValueError, match=path.name):
            load(path, example())
        with pytest.raises(ValueError, match=path.name):
            read_metadata(path)


def test_altered_payload_is_called_altered(path: Path) -> None:
    save(path, example())
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ValueError, match="altered.*digest"):
        load(path, example())
    path.write_bytes(whole + b"more")
    with pytest.raises(ValueError, match="altered.*digest"):
        load(path, example())


@pytest.mark.parametrize("content", [b"PK\x03\x04zip", b"{}\n", b'{"format": "other"}\n'])
def test_foreign_files_are_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(ValueError, match="not an l2h-tree file; give one"):
        load(path, example())


def test_newer_schema_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "SCHEMA", 2)
    save(path, example())
    monkeypatch.undo()
    with pytest.raises(ValueError, match="schema 2.*reads schema 1"):
        load(path, example())


@pytest.mark.parametrize(
    ("like", "words"),
    [
        ({"renamed": np.zeros((2, 3), "f4")}, r"no leaf \['renamed'\]; it has \['a'\]"),
        (
            {"a": np.zeros((3, 2), "f4")},
            r"leaf \['a'\] has shape \[2, 3\], but \[3, 2\] is",
        ),
        ({"a": np.zeros((2, 3), "f8")}, r"\['a'\] has dtype float32, but float64 is"),
        ({"a": np.zeros((2, 3), "f4"), "b": np.zeros(1)}, r"no leaf \['b'\]"),
        ({}, r"unexpected leaf \['a'\]"),
    ],
)
def test_other_trees_are_refused(path: Path, like: dict[str, Any], words: str) -> None:
    save(path, {"a": np.ones((2, 3), "f4")})
    with pytest.raises(ValueError, match=words):
        load(path, like)


@pytest.mark.parametrize(
    ("leaf", "words"),
    [
        (1.5, "Python number"),
        (True, "Python number"),
        (np.array(["a"]), "not numeric"),
        (np.array([None]), "not numeric"),
        (jax.ShapeDtypeStruct((2,), jnp.float32), "without values"),
    ],
)
def test_unfit_leaves_are_refused(path: Path, leaf: Any, words: str) -> None:
    with pytest.raises(ValueError, match=rf"tree\['x'\].*{words}"):
        save(path, {"x": leaf})
    assert not path.exists()


def test_typed_keys_are_refused_and_their_data_kept(path: Path) -> None:
    key = jax.random.key(0)
    with pytest.raises(ValueError, match="key_data"):
        save(path, [key])
    save(path, [jax.random.key_data(key)])
    (data,), _ = load(path, [jax.random.key_data(jax.random.key(1))])
    assert bool(jax.random.wrap_key_data(data) == key)


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, np.zeros(2)])
def test_metadata_must_be_json(path: Path, value: Any) -> None:
    save(path, [np.zeros(1)], {"old": True})
    with pytest.raises(ValueError, match="metadata: .*not written"):
        save(path, [np.zeros(1)], {"x": value})
    assert read_metadata(path) == {"old": True}


def test_failed_write_keeps_the_old_file_and_no_debris(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_atomically(path, "old")

    def fail(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, b"new")
    assert path.read_text() == "old"
    assert [p.name for p in path.parent.iterdir()] == [path.name]
