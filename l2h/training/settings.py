"""Values of settings, wherever they come from: Python, TOML, a command line."""

import ast
import inspect
import math
import numbers
import os
import textwrap
from types import NoneType
from typing import Any, Literal, get_args, get_origin

# Counts are 32-bit numbers where they are used.
LARGEST = 2**31 - 1


def converted(name: str, value: Any, expected: Any) -> Any:
    """Return a value as its field's type has it.

    Whole numbers may stand for floats, sequences for tuples, paths for strings.

    Arguments:
        name: of the setting.
        value: as given.
        expected: the field's type.

    Raises:
        ValueError: naming the setting, its value and what it should be.
    """
    if NoneType in get_args(expected):
        if value is None:
            return None
        (expected,) = (kind for kind in get_args(expected) if kind is not NoneType)
    origin, arguments = get_origin(expected), get_args(expected)
    if origin is Literal:
        if isinstance(value, str) and value in arguments:
            return value
        raise ValueError(f"{name}: {value!r} given; choose from {', '.join(arguments)}.")
    if origin is tuple:
        if isinstance(value, (list, tuple)):
            return tuple(converted(name, item, arguments[0]) for item in value)
        raise ValueError(f"{name}: {value!r} given; write a list, [...].")
    if expected is str and isinstance(value, os.PathLike):
        return os.fspath(value)
    kinds: dict[Any, Any] = {int: numbers.Integral, float: numbers.Real}
    if expected in kinds and not isinstance(value, bool):
        if isinstance(value, kinds[expected]):
            return _number(name, expected(value))
    if type(value) is not expected:
        raise ValueError(
            f"{name}: {value!r} given; it must be of type {expected.__name__}."
        )
    return value


def _number(name: str, value: Any) -> Any:
    if not math.isfinite(value):
        raise ValueError(f"{name}: {value} given; it must be finite.")
    # Seeds have a bound of their own.
    if isinstance(value, int) and name != "seed" and abs(value) > LARGEST:
        raise ValueError(f"{name}: {value} given; it must be at most {LARGEST:,}.")
    return value


def documented(settings: type) -> dict[str, str]:
    """Return what is written below each field of a dataclass, for help texts."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(settings))).body
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for field, below in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
                found[field.target.id] = inspect.cleandoc(str(below.value.value))
    return found
