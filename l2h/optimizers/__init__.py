"""Inner optimizers."""

from .adam import Adam as Adam
from .base import (
    AbstractOptimizer as AbstractOptimizer,
    State as State,
    trained as trained,
    untrained as untrained,
)
from .gradient_descent import GradientDescent as GradientDescent
from .learned import Learned as Learned
