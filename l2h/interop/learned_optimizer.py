"""A learned optimizer that drives any calculator of ASE."""

import os
import warnings
from typing import IO, Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from ase import Atoms
from ase.optimize.optimize import Optimizer
from jaxtyping import Array, Float

from .. import tasks, weights as bundled
from .._leaves import as_array, require_instance, require_positive
from ..optimizers import LBFGS, AbstractOptimizer, State
from ..potentials import AbstractPotential, Observation, Scale
from ..spaces import AbstractSpace, Free
from .host import energy_apart, space_of
from .natural import natural_energy, natural_length

Path = str | os.PathLike[str]


class Scene(AbstractPotential):
    """Space and natural units of a surface whose energies come from elsewhere."""

    length: Float[Array, ""] = eqx.field(converter=as_array)
    energy: Float[Array, ""] = eqx.field(converter=as_array)
    space: AbstractSpace

    @property
    def scale(self) -> Scale:
        return Scale(length=self.length, energy=self.energy)

    def __call__(self, positions: Float[Array, "n d"]) -> Float[Array, ""]:
        raise TypeError("Energies of this surface come from a calculator of ASE.")

    def observe(self, positions: Float[Array, "n d"]) -> Observation:
        raise TypeError("Energies of this surface come from a calculator of ASE.")


@eqx.filter_jit
def _move(optimizer: AbstractOptimizer, scene: Scene, state: State) -> tuple[Any, Any]:
    return optimizer.move(scene, state, key=jax.random.key(0))


def out_of_scope(weights: str, atoms: Atoms) -> str | None:
    """Return in words what speaks against these weights; None if nothing does.

    Arguments:
        weights: a bundled name, or the path of a run's `best.l2h`.
        atoms: that they are to move.
    """
    try:
        known = [tasks.get(name) for name in bundled.trained_on(weights)]
    except ValueError:  # tasks of somebody's own
        return None
    if not known:
        return None
    least, most = min(t.n for t in known), max(t.n for t in known)
    sizes = f"{least}" if least == most else f"{least} to {most}"
    if not least <= 2 * len(atoms) or not len(atoms) <= 2 * most:
        return (
            f"weights: {weights} was trained on {sizes} atoms, and there are "
            f"{len(atoms)}; expect little, or take others (l2h weights list)."
        )
    if any(atoms.pbc) and all(isinstance(t.potential.space, Free) for t in known):
        return (
            f"weights: {weights} was trained on free clusters, and the atoms are in a "
            "periodic cell; expect little, or train weights for it."
        )
    return None


class LearnedOptimizer(Optimizer):
    """A trained network that moves the atoms, then a descent to the nearest minimum.

    Lower structures, not the nearest one: the network takes `steps` steps, one force call
    each, over barriers; then the atoms go back to the lowest structure seen and L-BFGS
    descends from there until all forces are below `fmax`. `run` therefore needs more than
    `steps` steps to converge. `best_positions` is the lowest structure at any time.

    The network reads dimensionless numbers only, so weights that were trained on one
    material drive others; they know free clusters of the size they were trained on best.

    Arguments:
        atoms: with a calculator: any.
        weights: name of bundled weights, the path of a run's `best.l2h`, or an optimizer.
        restart: file from which to go on, if it exists, and that is kept for it. It knows
            positions as well.
        logfile, trajectory, append_trajectory, **kwargs: as for other optimizers of ASE.
        steps: of the network.
        length: natural length (Angstrom); that of the elements by default.
        energy: natural energy (eV); cohesive energy of the elements over 8.61 by default.
        separated: energy of the separated atoms (eV); by default, the calculator is asked
            once for each element.

    A warning says so where weights were trained on much larger or smaller structures, or
    on free clusters and the atoms are in a cell.

    Raises:
        ValueError: for fewer than two atoms, unknown weights, natural units that are not
            known, no calculator, or `steps` not positive; when running, if the start has
            no finite energy and forces.
    """

    def __init__(
        self,
        atoms: Atoms,
        weights: str | AbstractOptimizer = "lj38",
        restart: Path | None = None,
        logfile: IO[str] | Path | None = "-",
        trajectory: Any = None,
        append_trajectory: bool = False,
        *,
        steps: int = 250,
        length: float | None = None,
        energy: float | None = None,
        separated: float | None = None,
        **kwargs: Any,
    ) -> None:
        if not isinstance(atoms, Atoms):
            raise ValueError(
                f"atoms: {type(atoms).__name__} given; only Atoms can be driven, in a cell "
                "that stays as it is."
            )
        if len(atoms) < 2:
            raise ValueError(f"atoms: {len(atoms)} given; at least 2 have a structure.")
        if atoms.calc is None:
            raise ValueError("atoms: no calculator is attached; set atoms.calc first.")
        if steps < 1:
            raise ValueError(f"steps: {steps} given; the network takes at least 1.")
        symbols = atoms.get_chemical_symbols()
        length = natural_length(symbols) if length is None else length
        energy = natural_energy(symbols) if energy is None else energy
        require_positive(length=length, energy=energy)
        with jax.enable_x64(True):
            self._scene = Scene(length=length, energy=energy, space=space_of(atoms, length))
        if isinstance(weights, AbstractOptimizer):
            self._learned = weights
        else:
            self._learned = bundled.load(weights)
            require_instance(weights=(self._learned, AbstractOptimizer))
            if (words := out_of_scope(weights, atoms)) is not None:
                warnings.warn(words, stacklevel=2)
        self._descent = LBFGS()
        self.horizon = steps
        self.separated = energy_apart(atoms) if separated is None else float(separated)
        self._free = not atoms.constraints and not any(atoms.pbc)
        self._state: State[Any] | None = None
        self._memory: Any = None
        self.learning = True
        super().__init__(
            atoms,
            restart=None if restart is None else os.fspath(restart),
            logfile=logfile,  # type: ignore[arg-type]
            trajectory=trajectory,
            append_trajectory=append_trajectory,
            **kwargs,
        )

    @property
    def best_energy(self) -> float:
        """Lowest energy of the structures that steps began from, by the calculator."""
        if self._state is None:
            return float(self.atoms.get_potential_energy())
        return float(self._state.best_energy) + self.separated

    @property
    def best_positions(self) -> Float[np.ndarray, "n 3"]:
        """The structure of that energy."""
        if self._state is None:
            return self.atoms.get_positions()
        return np.array(self._state.best_positions)

    def gradient_converged(self, gradient: Any) -> bool:
        """Whether forces are small: not asked while the network is at work."""
        return not self.learning and bool(super().gradient_converged(gradient))

    def step(self, forces: Any = None) -> None:
        """Move once; ASE evaluates then."""
        with jax.enable_x64(True):
            self._step()
        if self.restart is not None:
            leaves = [np.asarray(x) for x in jax.tree.leaves((self._state, self._memory))]
            self.dump((self.learning, self.atoms.positions, leaves))

    def _step(self) -> None:
        seen = self._seen()
        if self._state is None:
            if not bool(seen.valid):
                raise ValueError(
                    "atoms: energy or forces of the start are not finite; separate atoms "
                    "that coincide, or look at the calculator."
                )
            self._state = self._first(self._optimizer, seen)
        else:
            self._state = self._state.after(seen, self._memory)
        lost = self.learning and not bool(seen.valid)
        if self.learning and (lost or int(self._state.steps) >= self.horizon):
            # Counting starts anew; L-BFGS begins with the evaluation that follows.
            self.learning = False
            best, self._memory = np.array(self._state.best_positions), None
            self._state = None
            self.atoms.set_positions(best)
            return
        x, self._memory = _move(self._optimizer, self._scene, self._state)
        moved = np.array(x)
        if self._free:
            moved += np.mean(self.atoms.positions - moved, axis=0)
        self.atoms.set_positions(moved)

    @property
    def _optimizer(self) -> AbstractOptimizer:
        return self._learned if self.learning else self._descent

    def _seen(self) -> Observation:
        """Return the evaluation at the current positions, which ASE keeps."""
        energy = jnp.asarray(self.atoms.get_potential_energy() - self.separated)
        gradient = -jnp.asarray(self.atoms.get_forces())
        n = len(self.atoms)
        shares = jnp.broadcast_to(energy / n, (n,))
        return Observation(jnp.asarray(self.atoms.positions), energy, gradient, shares)

    def _first(self, optimizer: AbstractOptimizer, seen: Observation) -> State[Any]:
        horizon = jnp.asarray(self.horizon, jnp.int32)
        memory = optimizer.begin(self._scene, seen, horizon=horizon, key=jax.random.key(0))
        return State.first(seen, horizon, memory)

    def read(self) -> None:
        """Go on where the restart file ends."""
        learning, positions, leaves = cast(Any, self.load())
        if np.shape(positions) != self.atoms.positions.shape:
            raise ValueError(
                f"restart: {self.restart} is of {len(positions)} atoms, not "
                f"{len(self.atoms)}; choose another file."
            )
        self.learning = bool(learning)
        self.atoms.set_positions(positions)
        if not leaves:
            return
        with jax.enable_x64(True):
            x = jnp.asarray(positions)
            blank = Observation(x, jnp.sum(0 * x), 0 * x, 0 * x[:, 0])
            state = self._first(self._optimizer, blank)
            tree = (state, state.memory)
            old = jax.tree.leaves(tree)
            values = [jnp.asarray(v, o.dtype) for v, o in zip(leaves, old, strict=True)]
            self._state, self._memory = jax.tree.unflatten(jax.tree.structure(tree), values)
