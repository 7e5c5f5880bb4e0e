"""What comes of every kind of fault, counted: ``python tests/faults.py [SEEDS]`` prints the table.

Damage is made here, with as many random draws of each container as asked for: a file counts as right if all
its pictures are, or if what is lost is said; as refused if the refusal names file and cause; else as wrong.
The other rows are the tests of the suite: one is a case that went as its row says, or wrong.
"""

import contextlib
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from media import cut, read_codes
from test_hostile_videos import EVERY_SECOND, KINDS, is_refused_with_cause, make_kind, mutate

from gaitlib.config import InputError
from gaitlib.video import read_video

WORDS = ("right", "said", "refused", "wrong")
HEADINGS = ("right", "read, loss said", "refused", "wrong")
CUT_SHARES = (0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98)
# What `mutate` does, by the remainder of the seed.
DAMAGE = ("flipped bits", "overwritten stretch", "stretch taken out", "stretch repeated")

# Faults and the tests that make them: how a case that goes well ends.
ROWS: dict[str, tuple[str, str]] = {
    "no video: text, page, archive, zeros, picture, sound, no index": (
        "refused",
        "content_that_is_no_video or still_picture_is_refused or sound_only or cover_picture"
        " or no_index_anywhere or refusal_names_what or encrypted",
    ),
    "folder, pipe, socket, link, no file": ("refused", "no_regular_file or socket_is or unreadable_file"),
    "one picture, very short": ("right", "one_picture_is_read or very_short"),
    "names with any byte": (
        "right",
        "names_of_all_kinds or odd_names or listed_names",
    ),
    "rate, count, unit, size, edit list in the header": (
        "right",
        "in_the_header or wrong_time_unit or edit_list",
    ),
    "times: uneven, missing, backward, jumping, claiming days": (
        "right",
        "variable_rate or slow_video or start_other or long_gap or stamps or timeline or uneven",
    ),
    "turned by 90, 180, 270 degrees, mirrored": ("right", "every_turn or phone_rotation"),
    "sizes, pixels not square, changes midway, two streams": (
        "right",
        "odd_sizes or odd_shapes or not_square or size_change or pixel_format_change or largest_of_two",
    ),
    "interlaced, HDR, transparency": ("right", "interlaced or hdr or transparency or unusual"),
    "codecs, depths, grey, palette, 4K": (
        "right",
        "every_codec or whole_file or depths_alpha or grey_levels or color_is_rgb or gif_times",
    ),
    "playlist, script, address, other protocol": (
        "refused",
        "script or kept_elsewhere or addresses_or_protocols or manifest_leads",
    ),
    "too slow, growing, endless": ("right", "slow_decoding or that_grows_while or claim_days or time_is_up"),
    "black, frozen, noise, nobody, too short, no person": (
        "refused",
        "lifeless or black or no_person_gets or too_short or too_small or unlike_pictures",
    ),
    "label files that can be read": (
        "right",
        "same_table or old_encodings or missing_values or differ_in_case or other_kinds or stray_cells"
        " or empty_sheet or false_size or escaped_in_csv",
    ),
    "label files with a fault": (
        "refused",
        "faulty_csv or faulty_excel or protected_excel or grows_in_memory or outside_entities or is_no_file",
    ),
    "model files: code, custom parts, misfits, changed, from elsewhere": (
        "refused",
        "code_in_a_model or no_part_but or does_not_fit or changed_model or damaged_record or needs_the_flag"
        " or emotions_fit or does_not_know",
    ),
    "notebook parameters that are code or of another type": ("refused", "step_takes or wrong_parameter"),
    "markup planted in names, labels, parameters": ("right", "planted or hostile_names"),
}
FILES = "video hostile_videos hostile_labels labels walker predict trust training report browser"


class Counting:
    """A pytest plugin that keeps how each test of a row ended."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a test once: by its call, or by what kept it from being called."""
        if report.when == "call" or not report.passed:
            self.outcomes[report.outcome] += 1


def judge(path: Path, tolerance: int) -> str:
    """Read a damaged copy of 60 numbered pictures and say what came of it, one of `WORDS`."""
    try:
        chunk, report = read_video(path)
    except InputError as error:
        return "refused" if is_refused_with_cause(error, path) else "wrong"
    except Exception:  # whatever it is, it is the program's fault
        return "wrong"
    if report.notes:
        return "said"
    codes = np.array(read_codes(chunk.frames))
    is_whole = len(codes) == len(EVERY_SECOND) and np.abs(codes - EVERY_SECOND).max() <= tolerance
    return "right" if is_whole else "wrong"


def count_damage(kind: str, num_seeds: int) -> dict[str, Counter[str]]:
    """Damage a container in every way and count what came of it, by kind of damage."""
    counts: dict[str, Counter[str]] = {name: Counter() for name in ("cut off", *DAMAGE)}
    tolerance = 1 if kind == "gif" else 0
    with tempfile.TemporaryDirectory() as folder:
        path = make_kind(Path(folder), kind)
        content = path.read_bytes()
        for share in CUT_SHARES:
            path.write_bytes(content)
            counts["cut off"][judge(cut(path, share), tolerance)] += 1
        for seed in range(num_seeds * len(DAMAGE)):
            path.write_bytes(mutate(content, seed))
            counts[DAMAGE[seed % len(DAMAGE)]][judge(path, tolerance)] += 1
    return counts


def damage_rows(num_seeds: int) -> Iterator[tuple[str, Counter[str]]]:
    """Yield a row for each container and one for each kind of damage."""
    totals: dict[str, Counter[str]] = {name: Counter() for name in ("cut off", *DAMAGE)}
    for kind in KINDS:
        try:
            counts = count_damage(kind, num_seeds)
        except pytest.skip.Exception:  # no encoder
            continue
        for name, counter in counts.items():
            totals[name] += counter
        yield f"damage to {kind}", sum(counts.values(), Counter())
    for name, counter in totals.items():
        yield f"all containers: {name}", counter


def suite_rows() -> Iterator[tuple[str, Counter[str]]]:
    """Yield a row for each fault that tests of the suite make."""
    folder = Path(__file__).parent
    files = [str(folder / f"test_{name}.py") for name in FILES.split()]
    for fault, (word, expression) in ROWS.items():
        counting = Counting()
        quiet = ["-q", "--no-header", "--no-summary", "--durations=0", "-p", "no:cacheprovider"]
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
            pytest.main([*quiet, *files, "-k", expression], plugins=[counting])
        yield fault, Counter({word: counting.outcomes["passed"], "wrong": counting.outcomes["failed"]})


def main(num_seeds: int) -> None:
    """Print the table."""
    print(f"{'fault':<66}{'tried':>6}" + "".join(f"{heading:>16}" for heading in HEADINGS))
    for rows in (damage_rows(num_seeds), suite_rows()):
        for fault, counter in rows:
            numbers = "".join(f"{counter[word]:>16}" for word in WORDS)
            print(f"{fault:<66}{counter.total():>6}{numbers}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
