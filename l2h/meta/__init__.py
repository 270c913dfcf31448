"""Meta-training: strategies, objective, and one pure update."""

from .base import AbstractMetaStrategy as AbstractMetaStrategy, MetaState as MetaState
from .coordinates import assemble as assemble, count as count, flatten as flatten
from .normalized_es import NormalizedES as NormalizedES
from .objective import Objective as Objective
from .train import Trainer as Trainer, draw_starts as draw_starts
