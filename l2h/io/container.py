"""One file for a tree of arrays: a line of JSON, then the bytes of the leaves.

The first line names the format, its schema, the version of l2h that wrote it, any
metadata, and path, dtype and shape of every leaf, so that `head -1` explains a file. The
little-endian bytes of the leaves follow in that order. A digest at the end of the line
covers line and bytes. Nothing in a file is ever executed.
"""

import hashlib
import json
import math
import os
from collections.abc import Mapping
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from .._version import __version__
from .atomic import write_atomically

Tree = TypeVar("Tree")

FORMAT = "l2h-tree"
SCHEMA = 1
# Every file begins with these bytes, and the line of every file ends with the digest.
_START = f'{{"format": "{FORMAT}", '.encode()
_BLANK = b"0" * 64
_END = b'"}\n'
# No tree of ours needs as much to describe it; a stranger's file might ask for it.
_LONGEST_LINE = 2**24
_REMEDY = "Use another copy, or write it again."


def save(
    path: str | os.PathLike[str], tree: Any, metadata: Mapping[str, Any] | None = None
) -> None:
    """Write the arrays of a tree, bit by bit, to one file, atomically.

    Arguments:
        path: where; an existing file is replaced.
        tree: any pytree. JAX and NumPy arrays are stored; functions, names and other
            structure are not, and come back from `like` in `load`.
        metadata: anything that JSON can say.

    Raises:
        ValueError: if a leaf is a Python number or a typed random key, or has no numeric
            dtype; or if the metadata is not JSON (NaN and infinity are not).
        OSError: if the file cannot be written.
    """
    leaves, payload = [], []
    for name, leaf in _stored(tree):
        array = _bytes_ready(name, leaf)
        leaves.append(_describe(name, array))
        payload.append(array.tobytes())
    header = {
        "format": FORMAT,
        "schema": SCHEMA,
        "l2h": __version__,
        "metadata": dict(metadata or {}),
        "leaves": leaves,
        "sha256": _BLANK.decode(),
    }
    try:
        line = json.dumps(header, allow_nan=False).encode() + b"\n"
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"metadata: {error}; {path} was not written. Keep to strings, finite numbers, "
            "booleans, lists and dictionaries, and put arrays into the tree."
        ) from error
    content = b"".join([line, *payload])
    write_atomically(path, _with_digest(content, len(line), _digest(content)))


def load(
    path: str | os.PathLike[str], like: Tree, *, finite: bool = False
) -> tuple[Tree, dict[str, Any]]:
    """Read a tree of arrays, or refuse with words.

    Arguments:
        path: a file written by `save`.
        like: a tree of the expected structure, whose arrays (or `ShapeDtypeStruct`s) say
            which shapes and dtypes are expected. Leaves that are not arrays are kept.
        finite: whether NaN and infinity are refused.

    Returns:
        The tree, equal bit by bit to the one saved, with NumPy arrays where `like` has
        them and JAX arrays elsewhere; and the metadata.

    Raises:
        ValueError: if the file is truncated, altered, of another format or a newer
            schema, if its leaves are not those of `like`, or not finite.
        OSError: if the file cannot be read.
    """
    header, payload = _read(path)
    expected = dict(_stored(like))
    found = {leaf["path"]: leaf for leaf in header["leaves"]}
    _require_same(path, expected, found)
    arrays, start = {}, 0
    for name, leaf in found.items():
        stop = start + leaf["bytes"]
        array = _decode(payload[start:stop], expected[name])
        if finite and not np.all(np.isfinite(array)):
            raise ValueError(
                f"{path}: leaf {name} holds NaN or infinity; use weights that training "
                "has left finite."
            )
        arrays[name] = array
        start = stop

    def pick(where: Any, leaf: Any) -> Any:
        return arrays.get(jax.tree_util.keystr(where), leaf)

    return jax.tree_util.tree_map_with_path(pick, like), header["metadata"]


def read_metadata(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read only the metadata of a file, after checking the whole of it.

    Arguments:
        path: a file written by `save`.

    Raises:
        ValueError: if the file is truncated, altered, of another format or a newer schema.
        OSError: if the file cannot be read.
    """
    return _read(path)[0]["metadata"]


def _stored(tree: Any) -> list[tuple[str, Any]]:
    """List path and leaf of every array; refuse what would be lost without notice."""
    kept = []
    for where, leaf in jax.tree_util.tree_leaves_with_path(tree):
        name = jax.tree_util.keystr(where)
        if isinstance(leaf, (bool, int, float, complex)):
            raise ValueError(f"tree{name}: a Python number ({leaf!r}); make it an array.")
        if isinstance(leaf, (jax.Array, np.ndarray, np.generic, jax.ShapeDtypeStruct)):
            kept.append((name, leaf))
    return kept


def _bytes_ready(name: str, leaf: Any) -> np.ndarray:
    if isinstance(leaf, jax.ShapeDtypeStruct):
        raise ValueError(f"tree{name}: only a shape, without values; give an array.")
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        raise ValueError(
            f"tree{name}: a typed random key; store jax.random.key_data(key), and wrap it "
            "again with jax.random.wrap_key_data."
        )
    array = np.asarray(leaf)
    if array.dtype.kind in "OUSMm" or array.dtype.names:
        raise ValueError(
            f"tree{name}: dtype {array.dtype} is not numeric; keep it in the metadata."
        )
    return array.astype(array.dtype.newbyteorder("<"), copy=False)


def _describe(name: str, array: Any) -> dict[str, Any]:
    dtype = np.dtype(array.dtype)
    return {
        "path": name,
        "dtype": dtype.name,
        "shape": list(array.shape),
        "bytes": math.prod(array.shape) * dtype.itemsize,
    }


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()


def _with_digest(content: bytes, line: int, digest: bytes) -> bytes:
    """Put `digest` in its place at the end of the first `line` bytes."""
    stop = line - len(_END)
    return content[: stop - len(digest)] + digest + content[stop:]


def _read(path: str | os.PathLike[str]) -> tuple[dict[str, Any], bytes]:
    with open(path, "rb") as file:
        # Bounded, so that nothing is held in memory that is not known to be ours.
        line = file.readline(_LONGEST_LINE)
        if not line.startswith(_START):
            if _START.startswith(line):
                raise ValueError(f"{path}: truncated after {len(line)} bytes. {_REMEDY}")
            raise ValueError(
                f"{path}: not an {FORMAT} file; give one that l2h.io.save wrote."
            )
        if not line.endswith(b"\n"):
            raise ValueError(f"{path}: truncated within its first line. {_REMEDY}")
        header = _header(path, line)
        size = sum(leaf["bytes"] for leaf in header["leaves"])
        length, there = len(line) + size, os.fstat(file.fileno()).st_size
        if there < length:
            raise ValueError(
                f"{path}: truncated; {there} of {length} bytes are there. {_REMEDY}"
            )
        # One byte more tells whether anything follows.
        payload = file.read(size + 1)
    blank = _with_digest(line, len(line), _BLANK)
    if header["sha256"].encode() != _digest(blank + payload):
        raise ValueError(
            f"{path}: altered since it was written, its digest differs. {_REMEDY}"
        )
    return header, payload


def _header(path: str | os.PathLike[str], line: bytes) -> dict[str, Any]:
    """Return the first line's content, every part of the right kind."""
    altered = f"{path}: its first line was altered"
    try:
        header = json.loads(line)
    # Brackets nested too deeply exhaust the parser.
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{altered}. {_REMEDY}") from error
    kinds = {"schema": int, "l2h": str, "metadata": dict, "leaves": list, "sha256": str}
    for name, kind in kinds.items():
        if type(header.get(name)) is not kind:
            raise ValueError(f"{altered}: {name} is missing or malformed. {_REMEDY}")
    if header["schema"] != SCHEMA:
        raise ValueError(
            f"{path}: schema {header['schema']}, written by l2h {header['l2h']}; this l2h "
            f"({__version__}) reads schema {SCHEMA}. Use the version that wrote it."
        )
    seen = set()
    for leaf in header["leaves"]:
        if not _is_leaf(leaf) or leaf["path"] in seen:
            raise ValueError(f"{altered}: leaves are malformed. {_REMEDY}")
        seen.add(leaf["path"])
    return header


def _is_leaf(leaf: Any) -> bool:
    """Whether a leaf's description is one that `save` could have written."""
    if type(leaf) is not dict or type(leaf.get("path")) is not str:
        return False
    shape, size = leaf.get("shape"), leaf.get("bytes")
    if type(shape) is not list or not all(type(k) is int and k >= 0 for k in shape):
        return False
    name = leaf.get("dtype")
    if type(name) is not str or not name.isalnum():
        return False
    try:
        dtype = np.dtype(name)
    except TypeError:
        return False
    return type(size) is int and size == math.prod(shape) * dtype.itemsize


def _require_same(
    path: str | os.PathLike[str],
    expected: Mapping[str, Any],
    found: Mapping[str, dict[str, Any]],
) -> None:
    remedy = "Load it into the kind of object, with the settings, that it was saved from."
    for name, leaf in expected.items():
        if name not in found:
            raise ValueError(
                f"{path}: no leaf {name}; it has {', '.join(found) or 'none'}. {remedy}"
            )
        wanted = _describe(name, leaf)
        for aspect in ("shape", "dtype"):
            if wanted[aspect] != found[name][aspect]:
                raise ValueError(
                    f"{path}: leaf {name} has {aspect} {found[name][aspect]}, but "
                    f"{wanted[aspect]} is expected. {remedy}"
                )
    for name in found:
        if name not in expected:
            raise ValueError(f"{path}: unexpected leaf {name}. {remedy}")


def _decode(data: bytes, like: Any) -> Any:
    dtype = np.dtype(like.dtype)
    array = np.frombuffer(data, dtype.newbyteorder("<")).astype(dtype)
    array = array.reshape(like.shape)
    if isinstance(like, (np.ndarray, np.generic)):
        return array[()] if isinstance(like, np.generic) else array
    if isinstance(like, jax.Array) and like.weak_type:
        # Keeps the weak type: a loaded module then neither retraces nor promotes anew.
        return like.at[...].set(array)
    return jnp.asarray(array)
