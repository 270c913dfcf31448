"""Meta-training: strategies, objective, and one pure update."""

from .base import AbstractMetaStrategy as AbstractMetaStrategy, MetaState as MetaState
from .es import (
    ES as ES,
    ESMC as ESMC,
    EvolutionStrategy as EvolutionStrategy,
    NormalizedES as NormalizedES,
)
from .ga import GA as GA
from .objective import Objective as Objective
from .params import count as count, ravel as ravel, unravel as unravel
from .registry import (
    META_OPTIMIZERS as META_OPTIMIZERS,
    STRATEGIES as STRATEGIES,
    register as register,
    register_optimizer as register_optimizer,
)
from .schedule import cosine as cosine
from .shaping import AbstractShaping as AbstractShaping
from .train import Trainer as Trainer
from .train_state import TrainState as TrainState
