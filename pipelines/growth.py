"""Draw how one attempt of a search comes about: core, growth, settling, quench, repair.

python -m pipelines.growth docs/search.png
"""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import tyro

from l2h.cli.launch import command

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The structure that is shown, the group and the size of its core.
ATOMS, GROUP, CORE = 38, "C3", 12
ROOM, TRIES = 48, 4096
GREY, BLUE, ORANGE = "#b8bcc2", "#0072B2", "#E69F00"


Stage = tuple[str, np.ndarray, np.ndarray | None, np.ndarray | None]


def stages() -> list[Stage]:
    """Return the stages of one successful attempt: words, structure, which atoms are the
    core's, and which have come or will go.

    Of many attempts, the first is taken that ends in the global minimum and owes it to
    growth, to settling and to repair.

    Raises:
        ValueError: if none does.
    """
    from l2h.lattice import Growing, grow, law, settle
    from l2h.optimizers import quench
    from l2h.potentials import LennardJones, potential_with
    from l2h.spaces import Partial
    from l2h.symmetry import Groups, symmetric_fill
    from l2h.tasks import get

    potential, reference = LennardJones(), get(f"lj{ATOMS}").reference
    operations, mask = Groups((GROUP,))[0]
    known = law(potential)
    assert known is not None and reference is not None
    zero = jnp.asarray(0, jnp.int32)

    @eqx.filter_jit
    def attempt(key: jax.Array):
        first, second = jax.random.split(key)
        radius = 0.55 * CORE ** (1 / 3)
        filled = symmetric_fill(
            first, operations, mask, CORE, CORE + 8, radius, capacity=ROOM
        )
        present = jnp.arange(ROOM, dtype=jnp.int32) < filled.count
        inside = potential_with(potential, Partial(present=present))
        core = quench(inside, filled.positions, tolerance=0.1, limit=100).positions
        noise = jnp.asarray(0.2, core.dtype)
        started = Growing(core, filled.count, zero)
        grown = grow(second, started, operations, mask, ATOMS, ATOMS + 8, noise)
        settled, _ = settle(known, grown, ATOMS, 1.0, 1.0)
        relaxed = quench(potential, settled.positions[:ATOMS], tolerance=0.05, limit=400)
        again = jnp.pad(relaxed.positions, ((0, ROOM - ATOMS), (0, 0)))
        moved, gain = settle(known, Growing(again, zero + ATOMS, zero), ATOMS, 1.0, 1.0)
        best = quench(potential, moved.positions[:ATOMS], tolerance=1e-5, limit=400)
        return started, grown, settled, relaxed, moved, best, gain

    for number in range(TRIES):
        found = attempt(jax.random.fold_in(jax.random.key(0), number))
        started, grown, settled, relaxed, moved, best, gain = jax.device_get(found)
        worked = CORE <= started.count < grown.count and ATOMS <= grown.count
        repaired = gain > 0 and best.energy < reference + 0.01
        if worked and settled.count == ATOMS and repaired:
            break
    else:
        raise ValueError(f"{TRIES} attempts, and none shows all stages; take others.")
    core = started.positions[: started.count]
    cluster = grown.positions[: grown.count]
    kept, changed = settled.positions[:ATOMS], moved.positions[:ATOMS]
    leaving, arriving = _new(relaxed.positions, changed), _new(changed, relaxed.positions)
    return [
        (f"core of {len(core)} atoms ({GROUP})", core, ~_new(core, core), None),
        (f"grown to {len(cluster)}", cluster, ~_new(cluster, core), None),
        (f"settled at {ATOMS}", kept, ~_new(kept, core), _new(kept, cluster)),
        (f"quenched: {relaxed.energy:.3f}", relaxed.positions, None, leaving),
        (f"repaired: {best.energy:.3f}", best.positions, None, arriving),
    ]


def _new(x: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return which atoms are not where one of the others is."""
    distances = np.linalg.norm(x[:, None] - other, axis=-1)
    return distances.min(axis=1) > 0.3


def _draw(axes: "Axes", x: np.ndarray, core: np.ndarray | None, new: np.ndarray | None):
    """Draw atoms as balls, the nearest last."""
    from matplotlib.colors import to_rgb
    from matplotlib.patches import Circle

    x = x - x.mean(axis=0)
    tilt, turn = 0.45, 0.35
    about = np.array(
        [[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]]
    )
    down = np.array(
        [[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]]
    )
    x = x @ about.T @ down.T
    for k in np.argsort(x[:, 2]):
        colour = GREY
        if core is not None and core[k]:
            colour = BLUE
        if new is not None and new[k]:
            colour = ORANGE
        base = np.array(to_rgb(colour)) * (0.8 + 0.2 * np.clip(x[k, 2] / 2, -1, 1))
        where = (x[k, 0], x[k, 1])
        axes.add_patch(Circle(where, 0.5, facecolor=base, edgecolor="#30343a", lw=0.8))
        shine = (where[0] - 0.15, where[1] + 0.17)
        axes.add_patch(Circle(shine, 0.16, facecolor=(1, 1, 1, 0.45), edgecolor="none"))
    axes.set(xlim=(-2.6, 2.6), ylim=(-2.6, 2.6), aspect="equal")
    axes.axis("off")


def main(path: Annotated[Path, tyro.conf.Positional] = Path("docs/search.png"), /) -> None:
    """Draw the picture.

    Args:
        path: Where; an existing file is replaced.
    """
    jax.config.update("jax_enable_x64", True)
    from matplotlib.figure import Figure

    from l2h.io import write_atomically

    figure = Figure(figsize=(13, 3.1), dpi=110, layout="constrained")
    panels = stages()
    for axes, (words, x, core, new) in zip(figure.subplots(1, 5), panels, strict=True):
        _draw(axes, x, core, new)
        axes.set_title(words, fontsize=12)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    write_atomically(path, buffer.getvalue())
    print(path)


if __name__ == "__main__":
    command(main, kept="the picture is as it was", loads=False)
