"""Inner optimizers."""

from .adam import Adam as Adam
from .base import (
    AbstractOptimizer as AbstractOptimizer,
    State as State,
    trained as trained,
    untrained as untrained,
)
from .basin_hopping import BasinHopping as BasinHopping
from .fire import Fire as Fire
from .gradient_descent import GradientDescent as GradientDescent
from .hops import (
    AbstractHop as AbstractHop,
    Shake as Shake,
    Swaps as Swaps,
)
from .lbfgs import LBFGS as LBFGS
from .learned import Learned as Learned
from .quench import (
    Quench as Quench,
    gradient_rms as gradient_rms,
    quench as quench,
)
from .registry import OPTIMIZERS as OPTIMIZERS, register as register
