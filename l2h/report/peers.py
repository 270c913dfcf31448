"""Methods side by side on one core: evaluations and time for each hit."""

from collections.abc import Sequence

from ..evaluation import Interval, Trials


def peers_table(results: Sequence[Trials]) -> str:
    """Return one line for each method, as plain text.

    Arguments:
        results: on one task, all stopped at their first hits.
    """
    lines = [
        f"{'':20} {'hits':>9} {'evaluations per hit (95 %)':>34} "
        f"{'evaluations/s':>13} {'ms per hit (95 %)':>34}"
    ]
    for trials in results:
        second, cost = trials.seconds_per_evaluation, trials.to_first_hit
        hits = f"{int(trials.hits.any(axis=1).sum())}/{trials.starts}"
        time = f"{Interval(*(1e3 * second * x for x in cost)):,.4g}"
        rate = f"{1 / second:,.0f}" if second > 0 else "-"
        lines.append(
            f"{trials.method:20} {hits:>9} {f'{cost:,.0f}':>34} {rate:>13} {time:>34}"
        )
    return "\n".join(lines)
