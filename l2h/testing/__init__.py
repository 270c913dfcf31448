"""What classes of your own must keep to, as functions that raise where they do not.

Each takes an instance, and says in an `AssertionError` which promise it breaks. They need
no test framework; in pytest, one test that calls one of them is enough.
"""

from .inits import INIT_CHECKS as INIT_CHECKS, check_init as check_init
from .optimizers import (
    OPTIMIZER_CHECKS as OPTIMIZER_CHECKS,
    check_features as check_features,
    check_optimizer as check_optimizer,
)
from .potentials import (
    POTENTIAL_CHECKS as POTENTIAL_CHECKS,
    check_potential as check_potential,
)
from .strategies import (
    STRATEGY_CHECKS as STRATEGY_CHECKS,
    check_strategy as check_strategy,
)
