"""Tables that grow row by row."""

import pytest

from l2h.io import Table

COLUMNS = ("task", "seed", "energy")


def row(task="lj5", seed=0, energy=-1.5):
    return {"energy": energy, "seed": seed, "task": task}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "runs" / "table.csv"


def test_what_was_added_is_there_again(path):
    table = Table(path, COLUMNS)
    assert table.rows == [] and path.read_text() == "task,seed,energy\n"
    table.add(row())
    table.add(row('a "b", c', seed=1))
    # Nothing waits in a buffer: a kill now would lose no row.
    assert path.read_text() == 'task,seed,energy\nlj5,0,-1.5\n"a ""b"", c",1,-1.5\n'
    again = Table(path, COLUMNS)
    assert again.rows == table.rows
    assert again.rows[0] == {"task": "lj5", "seed": "0", "energy": "-1.5"}


def test_rows_are_found_by_name(path):
    table = Table(path, COLUMNS)
    for seed in range(3):
        table.add(row(seed=seed))
        table.add(row("lj6", seed))
    assert [found["seed"] for found in table.where(task="lj6")] == ["0", "1", "2"]
    assert table.where(task="lj6", seed=1) == [table.rows[3]]
    assert table.where(task="lj7") == [] and table.where(seed=3) == []
    with pytest.raises(ValueError, match="sead: no column"):
        table.where(sead=1)


@pytest.mark.parametrize("cut", ["lj5,1,-1", "lj5", "lj5,1,-1.25", '"lj', "\r"])
def test_half_a_last_line_is_dropped(path, cut):
    table = Table(path, COLUMNS)
    table.add(row())
    whole = path.read_text()
    path.write_text(whole + cut)
    again = Table(path, COLUMNS)
    assert again.rows == table.rows and path.read_text() == whole
    again.add(row(seed=1))
    assert Table(path, COLUMNS).rows == [*table.rows, {**table.rows[0], "seed": "1"}]


@pytest.mark.parametrize("text", ["", "task,se"])
def test_a_table_that_was_hardly_begun_is_begun_again(path, text):
    path.parent.mkdir()
    path.write_text(text)
    Table(path, COLUMNS).add(row())
    assert path.read_text() == "task,seed,energy\nlj5,0,-1.5\n"


def test_line_ends_of_other_systems_are_read(path):
    path.parent.mkdir()
    path.write_bytes(b"task,seed,energy\r\nlj5,0,-1.5\r\n")
    table = Table(path, COLUMNS)
    table.add(row(seed=1))
    assert [found["energy"] for found in Table(path, COLUMNS).rows] == ["-1.5", "-1.5"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("task,seed\nlj5,0\n", "columns task, seed found.*another file"),
        ("seed,task,energy\n0,lj5,-1\n", "columns seed"),
        ("task,seed,energy\nlj5,0\nlj5,1,-1\n", "line 2 is damaged"),
        ("task,seed,energy\nlj5,0,-1\nlj5,0,-1,7\n", "line 3 is damaged"),
        ("task,seed,energy\n\nlj5,0,-1\n", "line 2 is damaged"),
    ],
)
def test_other_files_are_refused_and_left_alone(path, text, words):
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(ValueError, match=words):
        Table(path, COLUMNS)
    assert path.read_text() == text


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"task": "lj5", "seed": 0}, "no energy"),
        ({**row(), "hit": 1}, "hit: no column"),
        (row(task="lj\n5"), "task: .*one line"),
    ],
)
def test_rows_that_do_not_fit_are_refused(path, wrong, words):
    table = Table(path, COLUMNS)
    with pytest.raises(ValueError, match=words):
        table.add(wrong)
    assert table.rows == [] and path.read_text() == "task,seed,energy\n"
