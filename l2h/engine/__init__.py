"""The search engine: arms, rounds of attempts, and what they found."""

from .abandonment import Abandonment as Abandonment
from .arms import ARMS as ARMS, Arm as Arm
from .bandit import Shares as Shares
from .cost_of_hit import CostOfHit as CostOfHit
from .result import Origin as Origin, SearchResult as SearchResult
from .retrace import retrace as retrace
from .search import Progress as Progress, search as search
from .trajectory import Trajectory as Trajectory
