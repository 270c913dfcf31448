"""Settings of every test run: double precision, nothing silently converted or broadcast,
fixed examples."""

import os

import jax
from hypothesis import HealthCheck, settings

jax.config.update("jax_platforms", "cpu")
# Eight devices on any machine, for tests of their number.
jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

# The first example of a property compiles, which no deadline can foresee.
common = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("dev", max_examples=20, **common)
settings.register_profile(
    "ci", max_examples=50, derandomize=True, print_blob=True, **common
)
settings.register_profile("nightly", max_examples=500, print_blob=True, **common)
default = "ci" if os.environ.get("CI", "").lower() == "true" else "dev"
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", default))
