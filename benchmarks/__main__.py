"""Run all benchmarks: `nox -s bench`."""

import jax

from . import forces, learned_step, silicon

if __name__ == "__main__":
    print(f"jax {jax.__version__}, {jax.device_count()} device(s)")
    forces.main()
    print()
    learned_step.main()
    print()
    silicon.main()
