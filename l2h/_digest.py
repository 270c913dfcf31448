"""A mark by which a tree of modules is known again, in another process, too."""

import dataclasses
import enum
import functools
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def digest(tree: Any) -> str:
    """Return sixteen characters that tell modules apart by all that makes them up.

    Arrays count with dtype, shape and every bit; modules with their class and all fields,
    static ones too; functions by name, since what they compute cannot be seen. Other
    objects count by their class alone.

    Arguments:
        tree: modules, dataclasses, arrays, and containers of them.
    """
    mark = hashlib.sha256()
    for part in _parts(tree):
        # Lengths, so that neighbours cannot be cut in two ways.
        mark.update(f"{len(part)}:".encode() + part)
    return mark.hexdigest()[:16]


def _parts(node: Any) -> Iterator[bytes]:
    if isinstance(node, jax.Array) and jnp.issubdtype(node.dtype, jax.dtypes.prng_key):
        node = jax.random.key_data(node)
    if isinstance(node, (jax.Array, np.ndarray, np.generic)):
        array = np.asarray(node)
        yield f"{array.dtype}{array.shape}".encode()
        yield array.tobytes()
    elif node is None or isinstance(node, (bool, int, float, complex, str, bytes)):
        yield repr(node).encode()
    elif isinstance(node, (type, np.dtype, enum.Enum)):
        yield str(node).encode()
    elif dataclasses.is_dataclass(node):
        yield _name(type(node))
        for field in dataclasses.fields(node):
            yield field.name.encode()
            yield from _parts(getattr(node, field.name, None))
    elif isinstance(node, Mapping):
        yield b"{%d}" % len(node)
        for key, value in node.items():
            yield from _parts(key)
            yield from _parts(value)
    elif isinstance(node, (tuple, list)):
        yield b"[%d]" % len(node)
        for value in node:
            yield from _parts(value)
    elif isinstance(node, functools.partial):
        yield from _parts((node.func, node.args, node.keywords))
    else:
        yield _name(node if hasattr(node, "__qualname__") else type(node))


def _name(thing: Any) -> bytes:
    return f"{thing.__module__}.{thing.__qualname__}".encode()
