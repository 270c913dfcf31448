"""The search engine: arms, rounds of attempts, and what they found."""

from .abandonment import Abandonment as Abandonment
from .arms import ARMS as ARMS, Arm as Arm
from .bandit import Shares as Shares
from .result import SearchResult as SearchResult
from .search import Progress as Progress, search as search
