"""Inner optimizers."""

from .._leaves import trained as trained, untrained as untrained
from .adam import Adam as Adam
from .base import AbstractOptimizer as AbstractOptimizer, State as State
from .basin_hopping import BasinHopping as BasinHopping
from .fire import Fire as Fire
from .gradient_descent import GradientDescent as GradientDescent
from .hops import (
    AbstractHop as AbstractHop,
    Migration as Migration,
    Proposal as Proposal,
    Repair as Repair,
    Shake as Shake,
    Swaps as Swaps,
)
from .invariant import Invariant as Invariant
from .lbfgs import LBFGS as LBFGS
from .learned import Learned as Learned
from .loop import (
    AbstractWatch as AbstractWatch,
    Status as Status,
    UntilConverged as UntilConverged,
    advance as advance,
    gradient_rms as gradient_rms,
    run as run,
)
from .quench import Quench as Quench, quench as quench
from .registry import OPTIMIZERS as OPTIMIZERS, register as register
from .relay import Relay as Relay
