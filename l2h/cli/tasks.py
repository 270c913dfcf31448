"""What can be searched, by name."""

from .launch import prepare


def main() -> None:
    """List the names of tasks, and of families that training knows."""
    prepare()
    from ..tasks import FAMILIES, names

    print("tasks:")
    for shown in names():
        print(f"  {shown}")
    print("families, for training:")
    for name, family in FAMILIES.items():
        print(f"  {name}: {', '.join(family.tasks)}")
