"""The table of faults counts what it says, and no container that tells of its damage stays silent."""

import re
from pathlib import Path

import pytest
from faults import FILES, ROWS, count_damage, judge
from media import write_video


@pytest.mark.parametrize("kind", ["mp4 index last", "mp4 index first", "mkv", "ts"])
def test_damage_is_never_silent(kind):
    counts = count_damage(kind, num_seeds=3)
    assert sum(counter.total() for counter in counts.values()) == 7 + 4 * 3
    assert sum(counter["wrong"] for counter in counts.values()) == 0


def test_silent_loss_counts_as_wrong(tmp_path):
    """A video of other numbers than expected, whole and without a note."""
    path = write_video(tmp_path / "a.mp4", [number / 30 for number in range(58)])
    assert judge(path, 0) == "wrong"
    assert judge(write_video(tmp_path / "b.mp4"), 0) == "right"
    assert judge(tmp_path / "none.mp4", 0) == "refused"


def test_every_row_names_tests_that_are_there():
    folder = Path(__file__).parent
    names = "\n".join(
        name
        for file in FILES.split()
        for name in re.findall(r"^def (test_\w+)", (folder / f"test_{file}.py").read_text(), re.MULTILINE)
    )
    words = [word for _, expression in ROWS.values() for word in expression.split(" or ")]
    assert [word for word in words if word not in names] == []
