"""Point groups by their Schoenflies names, as matrices built from generators."""

from collections.abc import Iterable, Sequence
from functools import cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

Matrices = Float[np.ndarray, "g 3 3"]

LARGEST_AXIS = 6
# Few operations, which most clusters of known structure have among theirs.
COMMON = ("C1", "Cs", "C2", "C3", "C5", "D3", "D5", "T", "Td", "C5v")
# Two products are one operation if no entry differs by more.
SAME = 1e-6
# What `completions` says of a number of missing atoms.
WITH_CENTRE, WITHOUT_CENTRE = 1, 2


def rotation(axis: Sequence[float], angle: float) -> Float[np.ndarray, "3 3"]:
    """Return the rotation about `axis` by `angle` (radian), counter-clockwise."""
    x, y, z = np.asarray(axis, float) / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def closure(generators: Iterable[Float[np.ndarray, "3 3"]]) -> Matrices:
    """Return all products of the generators, the identity first.

    Every element is reached from another by one generator, and made orthogonal at once,
    so that rounding does not add up.
    """
    generators = list(generators)
    found = [np.eye(3)]
    for element in found:  # grows while it is walked through
        for generator in generators:
            left, _, right = np.linalg.svd(generator @ element)
            product = left @ right
            if np.abs(np.array(found) - product).max(axis=(1, 2)).min() > SAME:
                found.append(product)
    return np.array(found)


_INVERSION = -np.eye(3)
_HORIZONTAL = np.diag([1.0, 1.0, -1.0])
_VERTICAL = np.diag([1.0, -1.0, 1.0])
_HALF_TURN = np.diag([1.0, -1.0, -1.0])  # about x
_DIAGONAL = rotation((1.0, 1.0, 1.0), 2 * np.pi / 3)
_FIVEFOLD = rotation((0.0, 1.0, (1 + np.sqrt(5)) / 2), 2 * np.pi / 5)


def _turn(n: int) -> Float[np.ndarray, "3 3"]:
    return rotation((0.0, 0.0, 1.0), 2 * np.pi / n)


def _generators() -> dict[str, list[Float[np.ndarray, "3 3"]]]:
    axes = range(2, LARGEST_AXIS + 1)
    table = {"C1": [], "Cs": [_HORIZONTAL], "Ci": [_INVERSION]}
    table |= {f"C{n}": [_turn(n)] for n in axes}
    table |= {f"C{n}v": [_turn(n), _VERTICAL] for n in axes}
    table |= {f"C{n}h": [_turn(n), _HORIZONTAL] for n in axes}
    table |= {f"D{n}": [_turn(n), _HALF_TURN] for n in axes}
    table |= {f"D{n}h": [_turn(n), _HALF_TURN, _HORIZONTAL] for n in axes}
    table |= {f"D{n}d": [_HORIZONTAL @ _turn(2 * n), _HALF_TURN] for n in axes}
    table |= {f"S{2 * n}": [_HORIZONTAL @ _turn(2 * n)] for n in axes}
    return table | {
        "T": [_turn(2), _DIAGONAL],
        "Td": [_HORIZONTAL @ _turn(4), _DIAGONAL],
        "Th": [_turn(2), _DIAGONAL, _INVERSION],
        "O": [_turn(4), _DIAGONAL],
        "Oh": [_turn(4), _DIAGONAL, _INVERSION],
        "I": [_FIVEFOLD, _DIAGONAL],
        "Ih": [_FIVEFOLD, _DIAGONAL, _INVERSION],
    }


@cache
def names() -> tuple[str, ...]:
    """Return the Schoenflies names of all groups that `group` knows."""
    return tuple(_generators())


@cache
def group(name: str) -> Matrices:
    """Return the operations of a point group, as read-only orthogonal matrices.

    The main axis is z; twofold axes across it include x, vertical mirror planes include
    xz. Axes of cubic groups are x, y, z; threefold axes of icosahedral groups include the
    diagonals of the cube.

    Arguments:
        name: in Schoenflies's notation, such as "D5h" or "Ih"; axes up to sixfold.

    Raises:
        ValueError: if the name is unknown.
    """
    generators = _generators()
    if name not in generators:
        raise ValueError(
            f"group: {name!r} is unknown; choose from {', '.join(generators)}."
        )
    operations = closure(generators[name])
    operations.flags.writeable = False
    return operations


@cache
def orbit_sizes(name: str) -> tuple[tuple[int, ...], bool]:
    """Return the sizes of a group's orbits away from its centre, smallest first, and
    whether it has a centre: a single point that every operation leaves in place.

    Arguments:
        name: in Schoenflies's notation.

    Raises:
        ValueError: if the name is unknown.
    """
    table = group(name)
    # Points stay in place on axes of proper rotations and on mirror planes; planes meet in
    # such axes. An irrational mixture of directions stands for a general point.
    general = np.array([1.0, np.sqrt(2) / 3, np.pi / 7])
    points = [general]
    for operation in table[1:]:
        determinant, trace = np.linalg.det(operation), np.trace(operation)
        if determinant > 0:
            values, vectors = np.linalg.eig(operation)
            points.append(np.real(vectors[:, np.argmin(np.abs(values - 1))]))
        elif abs(trace - 1) < SAME:
            points.append(general + operation @ general)
    moved = np.linalg.norm(table @ np.array(points).T - np.array(points).T, axis=1)
    sizes = len(table) // np.sum(moved < SAME, axis=0)
    centre = np.abs(table.mean(axis=0)).max() < SAME
    return tuple(int(size) for size in np.unique(sizes)), bool(centre)


def completions(name: str, n: int) -> Int[np.ndarray, " m"]:
    """Return, for 0 to `n` missing atoms, whether orbits sum to that number: 2 if those
    away from the centre do, 1 if the centre must be one of them, 0 if none do.

    Arguments:
        name: of the group, in Schoenflies's notation.
        n: largest number of atoms.

    Raises:
        ValueError: if the name is unknown.
    """
    sizes, centre = orbit_sizes(name)
    without = np.zeros(n + 1, bool)
    without[0] = True
    for missing in range(1, n + 1):
        without[missing] = any(without[missing - s] for s in sizes if s <= missing)
    central = np.zeros(n + 1, bool)
    central[1:] = without[:-1] & centre
    return np.where(without, WITHOUT_CENTRE, np.where(central, WITH_CENTRE, 0))


class Groups(eqx.Module):
    """Several groups in arrays of one shape, so that one program serves them all.

    Shorter groups are filled up with identities, which `mask` marks as false.
    """

    operations: Float[Array, "G g 3 3"]
    mask: Bool[Array, "G g"]
    names: tuple[str, ...] = eqx.field(static=True)

    def __init__(self, names: Sequence[str], dtype: jnp.dtype | type = float) -> None:
        """Stack the named groups.

        Arguments:
            names: of one group or more, as `group` knows them.
            dtype: of the operations.

        Raises:
            ValueError: if a name is unknown, or none is given.
        """
        if not names:
            raise ValueError('groups: none given; name at least one, such as "C1".')
        tables = [group(name) for name in names]
        most = max(map(len, tables))
        operations = np.tile(np.eye(3), (len(tables), most, 1, 1))
        for rows, table in zip(operations, tables, strict=True):
            rows[: len(table)] = table
        orders = np.array([len(table) for table in tables])
        self.operations = jnp.asarray(
            operations, jax.dtypes.canonicalize_dtype(np.dtype(dtype))
        )
        self.mask = jnp.asarray(np.arange(most) < orders[:, None])
        self.names = tuple(names)

    @property
    def orders(self) -> Int[Array, " G"]:
        """Number of operations of each group."""
        return jnp.sum(self.mask, axis=1)

    def __getitem__(
        self, index: Int[Array, ""] | int
    ) -> tuple[Float[Array, "g 3 3"], Bool[Array, " g"]]:
        """Return operations and mask of one group; the index may be traced."""
        return self.operations[index], self.mask[index]
