"""The README's Python runs as it stands there."""

import re
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"


def test_python_of_the_readme_runs(capsys):
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, str(README), "exec"), {})
    adam, learned = (
        float(line.split()[1]) for line in capsys.readouterr().out.splitlines()
    )
    assert learned < adam - 5
