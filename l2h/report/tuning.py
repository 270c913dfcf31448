"""What tuning of a baseline has found, beside the paper's numbers."""

from typing import Any

from ..training.tuning import paper


def tuning_table(task: str, kind: str, entry: dict[str, Any]) -> str:
    """Return what was tried, the best first, as plain text.

    Arguments:
        task: name of the task.
        kind: of the optimizer.
        entry: as `l2h.training.tuning.tuning_entry` returns it.
    """
    head = f"{task}, {kind:24} {'validation':>12} {'held out, mean +- error':>26}"
    lines = [f"{head} {'quenched':>12} {'lowest':>12}"]
    for row in (entry["best"], *entry["others"]):
        shown = f"{row['held_out_mean']:.3f} +- {row['held_out_error']:.3f}"
        lines.append(
            f"  {row['name']:{len(head) - 43}} {row['validation_mean']:>12.3f} {shown:>26} "
            f"{row['held_out_polished_mean']:>12.3f} {row['held_out_lowest']:>12.3f}"
            + (f"  ({row['nonfinite']} non-finite)" if row["nonfinite"] else "")
        )
    steps, settled = entry["settling"][-1]
    lines.append(
        "  the best, by number of steps: "
        + ", ".join(f"{n}: {mean:.2f}" for n, mean in entry["settling"])
    )
    if (known := paper().get((task, kind))) is not None:
        away = (settled - known) / entry["best"]["held_out_error"]
        lines.append(
            f"  the paper's mean is {known}; ours after {steps} steps is {settled:.2f}, "
            f"{away:+.1f} standard errors away"
        )
    return "\n".join(lines)
