"""Statistics over many starts."""

from .outcomes import Outcomes as Outcomes, cheapest as cheapest, evaluate as evaluate
from .statistics import (
    Interval as Interval,
    cost_per_hit as cost_per_hit,
    success_rate as success_rate,
)
