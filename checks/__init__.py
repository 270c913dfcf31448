"""Numeric checks of `l2h` against closed forms and independent codes."""

from l2h.cli.cache import keep_compiled

keep_compiled()  # before JAX is imported

import jax  # noqa: E402

# Before anything makes an array: every check counts in double precision unless it says so.
jax.config.update("jax_enable_x64", True)
