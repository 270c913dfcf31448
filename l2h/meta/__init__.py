"""Meta-training: strategies, objective, and one pure update."""

from .base import AbstractMetaStrategy as AbstractMetaStrategy, MetaState as MetaState
from .es import ES as ES
from .esmc import ESMC as ESMC
from .ga import GA as GA
from .normalized_es import NormalizedES as NormalizedES
from .objective import Objective as Objective
from .params import count as count, ravel as ravel, unravel as unravel
from .schedule import Cosine as Cosine
from .train import Trainer as Trainer
from .train_state import TrainState as TrainState
