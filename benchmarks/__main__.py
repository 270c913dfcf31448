"""Run all benchmarks: `nox -s bench`."""

import jax

from . import forces, silicon, steps

if __name__ == "__main__":
    print(f"jax {jax.__version__}, {jax.device_count()} device(s)")
    forces.main()
    print()
    steps.main()
    print()
    silicon.main()
