"""Run all benchmarks: `nox -s bench`."""

import jax

from l2h.cli.launch import answered

from . import forces, learned_step, silicon


def main() -> None:
    """Print one table after the other."""
    print(f"jax {jax.__version__}, {jax.device_count()} device(s)")
    forces.main()
    print()
    learned_step.main()
    print()
    silicon.main()


if __name__ == "__main__":
    answered(main, "nothing is kept")
