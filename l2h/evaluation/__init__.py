"""Statistics over many starts."""

from .minima import distinct as distinct, fingerprint as fingerprint
from .outcomes import (
    CHUNK as CHUNK,
    Outcomes as Outcomes,
    cheapest as cheapest,
    evaluate as evaluate,
)
from .record import Contestant as Contestant, Record as Record
from .score import Reference as Reference, Score as Score
from .statistics import (
    Interval as Interval,
    cost_per_hit as cost_per_hit,
    hit_curve as hit_curve,
    success_rate as success_rate,
)
from .walkers import contest as contest, milestones as milestones
from .watched import Watched as Watched
