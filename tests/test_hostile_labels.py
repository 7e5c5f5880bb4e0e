"""Label files with the faults that people and programs make: the right table or one clear sentence."""

import os
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pandas as pd
import pytest

from gaitlib.config import InputError
from gaitlib.labels import escape_cell, find_videos, list_videos, read_labels
from gaitlib.names import show_name
from gaitlib.rundata import RunData
from gaitlib.video import read_video

SHEET = '<?xml version="1.0"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def write_book(path: Path, *sheets: list[list[object]]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for rows in sheets:
        sheet = book.create_sheet()
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def write_raw_sheet(path: Path, rows_xml: str) -> Path:
    """Write an Excel file whose only sheet holds the given XML between its data tags."""
    plain = write_book(path.with_name("plain.xlsx"), [[]])
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for member in source.namelist():
            is_sheet = "sheet1" in member and "_rels" not in member
            rows = f"{SHEET}<sheetData>{rows_xml}</sheetData></worksheet>".encode()
            target.writestr(member, rows if is_sheet else source.read(member))
    return path


# The right table


@pytest.mark.parametrize(
    "content",
    [
        "\ufeff\ufeffvideo,emotion\na.mp4,happy\nb.mp4,sad\n",
        "video\u200b,emotion\n\u200ea.mp4,happy\u200b\nb.mp4,sad\n",
        "video\u00a0,\u00a0emotion\na.mp4,\u00a0happy \nb.mp4,sad\n",
        "video,emotion\ra.mp4,happy\rb.mp4,sad\r",
        "\n\nvideo,emotion\n\na.mp4,happy\n,,,\nb.mp4,sad\n",
        'VIDEO;"Emotion"\n"a.mp4";" HAPPY "\nb.mp4;Sad\n',
        "notes\tvideo\temotion\tscore\nx, y; z\ta.mp4\thappy\t3\n\tb.mp4\tsad\n",
        "video,emotion,,\na.mp4,happy,,\nb.mp4,sad,,\n",
        "video,emotion\na.mp4,happy\nb.mp4,sad",
    ],
)
def test_ways_to_write_the_same_table(tmp_path, content):
    table = read_labels(write(tmp_path / "labels.csv", content))
    assert table[["video", "emotion"]].to_numpy().tolist() == [["a.mp4", "happy"], ["b.mp4", "sad"]]


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "utf-16", "utf-8"])
def test_western_letters_in_old_encodings(tmp_path, encoding):
    apostrophe = "'" if encoding == "latin-1" else "’"
    text = f"video,emotion\nzoë{apostrophe}s_1.mp4,müde\n"
    table = read_labels(write(tmp_path / "labels.csv", text.encode(encoding)))
    assert table["video"].tolist() == [f"zoë{apostrophe}s_1.mp4"]
    assert table["emotion"].tolist() == ["müde"]


@pytest.mark.parametrize("name", ["labels.csv", "labels.xlsx"])
def test_classes_that_look_like_missing_values_stay_text(tmp_path, name):
    emotions = ["None", "NA", "nan", "null", "N/A", "0", "false", "-"]
    rows = [["video", "emotion"], *([f"a{number}.mp4", text] for number, text in enumerate(emotions))]
    if name.endswith("csv"):
        path = write(tmp_path / name, "\n".join(",".join(row) for row in rows))
    else:
        path = write_book(tmp_path / name, rows)
    assert read_labels(path)["emotion"].tolist() == [text.casefold() for text in emotions]


def test_folders_named_like_missing_values(tmp_path):
    for name in ("None/a_1.mp4", "NA/b_1.mp4", "nan /c_1.mp4"):
        write(tmp_path / name, "")
    assert sorted(find_videos(tmp_path).videos["emotion"]) == ["na", "nan", "none"]


def test_walkers_that_differ_in_case_or_spaces_are_one(tmp_path):
    """As two people they could land in training and in the test."""
    for name in ("a.mp4", "b.mp4", "c.mp4", "d.mp4"):
        write(tmp_path / name, "")
    rows = "a.mp4,happy,Ale\nb.mp4,sad,ale \nc.mp4,sad,ALE\nd.mp4,sad,Bo"
    write(tmp_path / "labels.csv", f"video,emotion,walker\n{rows}\n")
    found = find_videos(tmp_path)
    assert found.videos["walker"].tolist() == ["Ale", "Ale", "Ale", "Bo"]
    assert found.warnings == [
        "2 walker name(s) differ from another only in case or spaces and count as the same walker, such as "
        "'ALE' and 'Ale'."
    ]


def test_excel_cells_of_other_kinds(tmp_path):
    rows = [["video", "emotion", "walker"], [12, "happy", 7.0], [1.5, True, "007"]]
    table = read_labels(write_book(tmp_path / "labels.xlsx", rows))
    assert table.to_numpy().tolist() == [["12", "happy", "7"], ["1.5", "true", "007"]]


def test_stray_cells_beside_and_below_are_left_out(tmp_path):
    book = openpyxl.load_workbook(
        write_book(tmp_path / "labels.xlsx", [["video", "emotion"], ["a.mp4", "happy"]])
    )
    for cell in ("XFD2", "D1", "B300000"):
        book.active[cell] = "stray"
    book.save(tmp_path / "labels.xlsx")
    table = read_labels(tmp_path / "labels.xlsx")
    assert table.to_numpy().tolist() == [["a.mp4", "happy", None]]


def test_empty_sheet_before_and_notes_behind(tmp_path):
    labels = [["video", "emotion"], ["a.mp4", "happy"]]
    path = write_book(tmp_path / "labels.xlsx", [[]], labels, [["Notes"], ["made by Bo"]])
    assert read_labels(path)["video"].tolist() == ["a.mp4"]


# One clear sentence


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("video,emotion,walker,Walker\na,happy,x,y\n", "more than one column 'walker'"),
        ("video,emotion\na,b_1.mp4,happy\n", "row 2 has more cells than the header has columns, 'happy'"),
        ('video,emotion,notes\na,happy,"x\nb,sad,y\n', "is not a CSV table"),
        ("video,emotion\na.mp4,#N/A\n", "row 2 holds the error value #N/A: mend the formula"),
        ("video,emotion\n#REF!,happy\n", "row 2 holds the error value #REF!"),
        ("My labels\n\nvideo,emotion\na,happy\n", "no column 'video', found My labels"),
        ("video|emotion\na|happy\n", r"no column 'video', found video\|emotion"),
        ('{"video": "a", "emotion": "b"}', "no column 'video'"),
        ("а_1.mp4,счастье\n".encode("cp1251"), r"is in an unknown encoding: save it as CSV \(UTF-8\)"),
        ("video,emotion\na,счастье\n".encode("cp1251"), "is in an unknown encoding"),
        ("video,emotion\na,高兴快乐\n".encode("gb18030"), "is in an unknown encoding"),
        ("video,emotion\na,幸せです\n".encode("shift-jis"), "is in an unknown encoding"),
        ("video,emotion\na,happy\n".encode("utf-32"), "is not a CSV table"),
        ("video,emotion\na\0,happy\n", "is not a CSV table"),
        (
            b"\xd0\xcf\x11\xe0" + bytes(600),
            r"is an old .xls file or protected by a password: save it as .xlsx",
        ),
        (b"video,emotion\n" + b"," * 500_000, "has more than 400000 cells"),
        (b"video,emotion\n" + b"a,b\n" * 100_001, "has more than 100000 rows"),
        (b"video,emotion\n" + b"a" * 11_000_000, "is larger than 10 MB"),
    ],
)
def test_faulty_csv_is_one_sentence(tmp_path, content, fault):
    with pytest.raises(InputError, match=fault) as error:
        read_labels(write(tmp_path / "labels.csv", content))
    assert str(error.value).startswith(str(tmp_path / "labels.csv"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("sheets", "fault"),
    [
        ([[["video", "emotion"], ["a.mp4", "#N/A"]]], "row 2 holds the error value #N/A"),
        (
            [[["video", "emotion"], ["a.mp4", "sad"], *[[]] * 2000, ["b.mp4", "sad"]]],
            "row 2003 lies far below",
        ),
        ([[["video", "emotion"], ["a", "b"]]] * 2, "has labels on several sheets, the second is 'Sheet1'"),
        ([[["Labels"], ["video", "emotion"]]], "no column 'video', found Labels"),
        ([[[]]], "is empty"),
    ],
)
def test_faulty_excel_is_one_sentence(tmp_path, sheets, fault):
    with pytest.raises(InputError, match=fault):
        read_labels(write_book(tmp_path / "labels.xlsx", *sheets))


def test_protected_excel_file(tmp_path):
    """A password turns an .xlsx into the container of old .xls files."""
    with pytest.raises(InputError, match="protected by a password"):
        read_labels(write(tmp_path / "labels.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(5000)))


@pytest.mark.parametrize(
    ("make_rows", "fault"),
    [
        # 40 bytes a row become 16,000 cells a row.
        (
            lambda: "".join(f'<row r="{row}"><c r="XFD{row}"><v>1</v></c></row>' for row in range(1, 3000)),
            "has more than 400000 cells or 100000 rows",
        ),
        (
            lambda: "".join(f'<row r="{row}">{"<c/>" * 2000}</row>' for row in range(1, 2000)),
            "holds far more cells than a label file needs",
        ),
    ],
)
def test_sheet_that_grows_in_memory_is_refused(tmp_path, make_rows: Callable[[], str], fault):
    path = write_raw_sheet(tmp_path / "labels.xlsx", make_rows())
    assert path.stat().st_size < 100_000
    tracemalloc.start()
    with pytest.raises(InputError, match=fault):
        read_labels(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6


def test_sheet_of_a_false_size_is_read(tmp_path):
    row = "".join(f'<c t="inlineStr"><is><t>{text}</t></is></c>' for text in ("video", "emotion"))
    other = row.replace("video", "a.mp4").replace("emotion", "sad")
    path = write_raw_sheet(tmp_path / "labels.xlsx", f'<row r="1">{row}</row><row r="2">{other}</row>')
    with zipfile.ZipFile(path) as source:
        members = {name: source.read(name) for name in source.namelist()}
    with zipfile.ZipFile(path, "w") as target:
        for name, content in members.items():
            size = b'<dimension ref="A1:XFD1048576"/><sheetData>'
            target.writestr(name, content.replace(b"<sheetData>", size))
    started = time.perf_counter()
    assert read_labels(path)["video"].tolist() == ["a.mp4"]
    assert time.perf_counter() - started < 5


def test_outside_entities_are_not_read(tmp_path):
    secret = write(tmp_path / "secret.txt", "happy")
    path = write_raw_sheet(tmp_path / "labels.xlsx", "")
    with zipfile.ZipFile(path) as source:
        members = {name: source.read(name) for name in source.namelist()}
    header = f'<!DOCTYPE x [<!ENTITY e SYSTEM "{secret.as_uri()}">]>'
    cell = '<row r="1"><c t="inlineStr"><is><t>&e;</t></is></c></row>'
    with zipfile.ZipFile(path, "w") as target:
        for name, content in members.items():
            text = content.decode()
            if "sheet1" in name:
                text = text.replace("?>", f"?>{header}", 1).replace("<sheetData>", f"<sheetData>{cell}")
            target.writestr(name, text)
    with pytest.raises(InputError, match="cannot be read as an Excel file"):
        read_labels(path)


# What else may stand in a label file's or a video folder's place


def test_label_file_that_is_no_file(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    for name in ("folder.csv", "pipe.csv"):
        with pytest.raises(InputError, match=f"{name} is not a regular file"):
            read_labels(tmp_path / name)
    with pytest.raises(InputError, match=r"loop\.csv (is not there|cannot be read)"):
        read_labels(tmp_path / "loop.csv")


def test_links_and_folders_of_all_kinds_do_not_end_the_search(tmp_path):
    write(tmp_path / "happy" / "a_1.mp4", "")
    (tmp_path / "happy" / "loop.mp4").symlink_to("loop.mp4")
    (tmp_path / "happy" / "gone.mp4").symlink_to("nothing")
    (tmp_path / "happy" / "up").symlink_to(tmp_path)
    (tmp_path / "happy" / "round").symlink_to("round")
    (tmp_path / "happy" / "folder.mp4").mkdir()
    found = find_videos(tmp_path)
    assert found.videos["video"].tolist() == ["happy/a_1.mp4", "happy/gone.mp4", "happy/loop.mp4"]
    assert dict(found.skipped.itertuples(index=False)) == {
        "happy/folder.mp4": "A folder with the name of a video.",
        "happy/round": "Not a video by its suffix.",
    }
    for name in ("gone.mp4", "loop.mp4"):
        with pytest.raises(InputError, match=r"is a link to a file that is not there|cannot be opened"):
            read_video(tmp_path / "happy" / name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_folder_that_cannot_be_read_is_skipped(tmp_path):
    write(tmp_path / "happy" / "a_1.mp4", "")
    write(tmp_path / "sad" / "b_1.mp4", "")
    (tmp_path / "sad").chmod(0)
    try:
        found = find_videos(tmp_path)
    finally:
        (tmp_path / "sad").chmod(0o700)
    assert found.videos["video"].tolist() == ["happy/a_1.mp4"]
    assert found.skipped.to_numpy().tolist() == [["sad", "This folder cannot be read (Permission denied)."]]


# The way out


FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
FORMULAS = ("=cmd|' /C calc'!A0", "+1", "-1", "@SUM(1)", "\t=1", "\r=1")


def test_formulas_in_names_are_escaped_in_csv(tmp_path):
    """What came in as a walker's or a file's name goes out as text that no program computes."""
    names = [show_name(f"{text}_1.mp4".replace("/", "")) for text in FORMULAS]
    videos = pd.DataFrame({"video": ["a.mp4"], "split": ["train"], "emotion": ["sad"], "walker": ["a"]})
    skipped = pd.DataFrame({"video": names, "reason": "=1"})
    RunData(videos, skipped, ()).save(tmp_path)
    written = pd.read_csv(tmp_path / "skipped.csv", dtype=str, keep_default_na=False)
    assert written["video"].str.startswith("'").tolist() == [True] * 4 + [False] * 2
    assert not written["video"].str.startswith(FORMULA_STARTS).any()
    assert (written["reason"] == "'=1").all()
    assert [escape_cell(text) for text in FORMULAS] == [f"'{text}" for text in FORMULAS]


def test_listed_names_are_printable_and_utf8(tmp_path):
    for name in (b"\xff_1.mp4", "🚶_1.mp4".encode(), b"new\nline_1.mp4", "\u202egpj_1.mp4".encode()):
        folder = os.path.join(os.fsencode(tmp_path), b"sad")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, name), "wb"):
            pass
    found = find_videos(tmp_path)
    assert len(found.videos) == len(list_videos(tmp_path)) == 4
    for column in ("video", "walker", "emotion"):
        assert all(text.isprintable() and text.encode() for text in found.videos[column])


def test_formulas_without_values_do_not_lead_to_another_sheet(tmp_path):
    book = openpyxl.Workbook()
    for number in range(1500):
        book.active.append(["=A1", "=B1"] if number else ["video", "emotion"])
    other = book.create_sheet("old")
    other.append(["video", "emotion"])
    other.append(["old.mp4", "happy"])
    book.active.delete_rows(1)
    book.save(tmp_path / "labels.xlsx")
    with pytest.raises(InputError, match="holds a formula without a stored value"):
        read_labels(tmp_path / "labels.xlsx")


@pytest.mark.parametrize("word", ["šťastný", "złość"])
def test_other_western_looking_encodings_are_refused(tmp_path, word):
    (tmp_path / "labels.csv").write_bytes(f"video,emotion\na.mp4,{word}\n".encode("cp1250"))
    with pytest.raises(InputError, match="unknown encoding"):
        read_labels(tmp_path / "labels.csv")


def test_formula_for_an_emotion_is_refused_and_curly_quotes_are_dropped(tmp_path):
    (tmp_path / "a.csv").write_text("video,emotion\na.mp4,=B3\n", encoding="utf-8")
    with pytest.raises(InputError, match="row 2 has the formula =B3 for an emotion"):
        read_labels(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_text("video,emotion\na.mp4,\u201chappy\u201d\n", encoding="utf-8")
    assert list(read_labels(tmp_path / "b.csv")["emotion"]) == ["happy"]


def test_walker_missing_in_merged_cells_is_named(tmp_path):
    rows = "video,emotion,walker\na.mp4,happy,maria\nb.mp4,sad,\nbo_1.mp4,sad,\n"
    (tmp_path / "a.csv").write_text(rows, encoding="utf-8")
    with pytest.raises(InputError, match=r"row 3 has no walker \(merged cells\?\), and the name b\.mp4"):
        read_labels(tmp_path / "a.csv")


def test_label_file_in_another_case_is_read_and_a_dangling_one_is_told(tmp_path):
    for name in ("maria", "bo"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "walk.mp4").write_bytes(b"x")
    (tmp_path / "Labels.csv").write_text("video,emotion\nmaria/walk.mp4,happy\nbo/walk.mp4,sad\n")
    assert sorted(find_videos(tmp_path).videos["emotion"]) == ["happy", "sad"]
    (tmp_path / "Labels.csv").unlink()
    (tmp_path / "labels.csv").symlink_to(tmp_path / "gone.csv")
    with pytest.raises(InputError, match=r"labels\.csv is not there"):
        find_videos(tmp_path)


def test_control_characters_in_an_emotion_become_escapes(tmp_path):
    folder = tmp_path / "\x1b[2jred"
    folder.mkdir()
    (folder / "a_1.mp4").write_bytes(b"x")
    assert list(find_videos(tmp_path).videos["emotion"]) == ["\\x1b[2jred"]


@pytest.mark.parametrize("word", ["«joie»", "l´ira", "col·lera", "n°1", "müde", "triste²"])
def test_words_of_western_tables_are_no_other_encoding(tmp_path, word):
    (tmp_path / "labels.csv").write_bytes(f"video,emotion\na.mp4,{word}\n".encode("cp1252"))
    assert list(read_labels(tmp_path / "labels.csv")["emotion"]) == [word.strip("«»")]
