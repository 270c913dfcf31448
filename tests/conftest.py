"""Settings of every test run: double precision, nothing silently converted or broadcast,
fixed examples."""

import contextlib
import ctypes
import gc
import os
import signal
from importlib.metadata import version
from pathlib import Path

# What one process compiles serves all others, the commands that tests start among them;
# before JAX is imported, which reads this.
environment = {
    "JAX_COMPILATION_CACHE_DIR": str(Path(__file__).parents[1] / ".pytest_cache" / "jax"),
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    # XLA says three kilobytes of every program that it loads: `l2h.cli.cache`.
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
if version("jaxlib").startswith("0.10."):
    # The other of two code generators: what it makes is slower for metals and crystals, but
    # made in two thirds of the time, which rules here. Later versions have one, and end the
    # process at settings that they do not know.
    environment["XLA_FLAGS"] = "--xla_cpu_use_fusion_emitters=false"
for name, value in environment.items():
    os.environ.setdefault(name, value)

import jax  # noqa: E402
import pytest  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

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


# Shells let what they run in the background ignore interruptions, and so would all
# commands that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

LIMIT = 1.0e9
"""Bytes above which a worker lets go of its compiled programs; all of them take 5e9."""


def resident() -> int:
    """Return the bytes that this process occupies; zero where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture(autouse=True)
def _bounded_memory():
    yield
    if resident() > LIMIT:
        jax.clear_caches()
        gc.collect()
        with contextlib.suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL("libc.so.6").malloc_trim(0)  # give what was freed to the system
