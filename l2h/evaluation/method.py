"""An optimizer and how it spends a budget."""

import equinox as eqx

from ..optimizers import AbstractOptimizer


class Method(eqx.Module):
    """An optimizer and how it spends a budget.

    Arguments:
        name: by which it is reported.
        optimizer: any optimizer.
        steps: steps of one attempt, after which it is quenched and begins anew from
            another start; zero quenches starts. None: one attempt with all of the budget.

    Raises:
        ValueError: if `steps` is negative.
    """

    name: str = eqx.field(static=True)
    optimizer: AbstractOptimizer
    steps: int | None = eqx.field(static=True, default=None)

    def __check_init__(self) -> None:
        if self.steps is not None and self.steps < 0:
            raise ValueError(
                f"steps: {self.steps} given for {self.name}; give zero or more."
            )

    def horizon(self, budget: int) -> int:
        """Return the steps of one attempt.

        Arguments:
            budget: evaluations granted to each start.

        Raises:
            ValueError: if the budget does not last for one attempt.
        """
        if self.steps is None and budget < 2:
            raise ValueError(
                f"budget: {budget} given; the start and one step take 2 evaluations."
            )
        horizon = budget - 1 if self.steps is None else self.steps
        if horizon >= budget:
            raise ValueError(
                f"budget: {budget} given, but one attempt of {self.name} takes "
                f"{horizon + 1} evaluations; grant as many, or fewer steps."
            )
        return horizon
