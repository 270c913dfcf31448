"""Methods searching from many starts: the harness, its trials, and how sure one may be."""

from .harness import evaluate as evaluate, milestones as milestones
from .known import KnownSearch as KnownSearch, strongest as strongest
from .method import Method as Method
from .minima import (
    assigned as assigned,
    distinct as distinct,
    fingerprint as fingerprint,
)
from .statistics import (
    Interval as Interval,
    cost_per_hit as cost_per_hit,
    hit_curve as hit_curve,
    success_rate as success_rate,
)
from .trials import Trials as Trials, cheapest as cheapest, compared as compared
from .walks import Walks as Walks, walk as walk
