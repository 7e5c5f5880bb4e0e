"""Labels from folders, manifests and rating sheets, and every fault that people put into them."""

import os
import time
import zipfile

import openpyxl
import pandas as pd
import pytest

from gaitlib.config import InputError
from gaitlib.labels import (
    check_emotions,
    escape_cell,
    find_videos,
    list_videos,
    rater_agreement,
    read_labels,
    read_raters,
)

EMOTIONS = ("Happy", "Angry", "Sad", "Neutral")


def make_folder(folder, *names):
    """Make empty files; labels never look into a video."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return folder


def write(path, text, encoding="utf-8"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))
    return path


def sheet_rows(ratings, emotions=EMOTIONS):
    """Make the rows of a rating sheet from {video: [one list of ratings a rater]}."""
    videos, questions = ["Gait ID"], ["Question"]
    for video in ratings:
        videos += [f" {video}"] * len(emotions)
        questions += [f"The person in the video appears ... - {emotion}" for emotion in emotions]
    num_raters = max(len(raters) for raters in ratings.values())
    rows = [videos, questions]
    for rater in range(num_raters):
        row = [f"Participant {rater + 1}"]
        for raters in ratings.values():
            row += raters[rater] if rater < len(raters) else [None] * len(emotions)
        rows.append(row)
    return rows


def write_sheet(path, rows):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(path)
    return path


RATINGS = {
    "VID_001": [[5, 1, 1, 2], [4, 1, 2, 2]],
    "VID_002": [[1, 5, 1, 1], [1, 4, 1, 3], [2, 3, 1, 5]],
    "VID_003": [[3, 1, 1, 3], [3, 2, 1, 3]],
}


# Folders


def test_one_folder_an_emotion(tmp_path):
    make_folder(tmp_path, "happy/ale_1.mp4", "Sad/ale_2.MOV", "sad/more/bo_b_1.webm")
    found = find_videos(tmp_path)
    assert found.source == "folders"
    assert found.videos["video"].tolist() == [
        "Sad/ale_2.MOV",
        "happy/ale_1.mp4",
        "sad/more/bo_b_1.webm",
    ]
    assert found.videos["emotion"].tolist() == ["sad", "happy", "sad"]
    assert found.videos["walker"].tolist() == ["ale", "ale", "bo_b"]
    assert found.videos["path"].tolist()[1] == str(tmp_path / "happy" / "ale_1.mp4")
    assert (found.warnings, len(found.skipped)) == ([], 0)


def test_names_without_a_walker_are_warned_about(tmp_path):
    found = find_videos(make_folder(tmp_path, "happy/ale.mp4", "happy/bo_1.mp4", "sad/_2.mp4"))
    assert found.videos["walker"].tolist() == ["ale", "bo", "_2"]
    assert len(found.warnings) == 1
    assert found.warnings[0].startswith("2 videos do not name their walker")


def test_what_is_no_video_is_skipped_or_ignored(tmp_path):
    make_folder(
        tmp_path,
        *(
            "happy/a_1.mp4",
            "happy/notes.txt",
            "lost_1.mp4",
            "README.md",
            "truth.csv",
            "sad/.hidden.mp4",
        ),
        *(".cache/x_1.mp4", "happy/odd.mp4/inside_1.mp4", "__MACOSX/a_1.mp4"),
    )
    found = find_videos(tmp_path)
    assert found.videos["video"].tolist() == ["happy/a_1.mp4"]
    assert dict(found.skipped.itertuples(index=False)) == {
        "happy/notes.txt": "Not a video by its suffix.",
        "happy/odd.mp4": "A folder with the name of a video.",
        "lost_1.mp4": "Not in a folder that names its emotion.",
    }


def test_linked_folders_are_entered_once(tmp_path):
    make_folder(tmp_path / "data", "a_1.mp4")
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "happy").symlink_to(tmp_path / "data")
    (tmp_path / "data" / "again").symlink_to(tmp_path / "data")
    assert find_videos(tmp_path / "videos").videos["video"].tolist() == ["happy/a_1.mp4"]


def test_names_of_all_kinds_become_printable(tmp_path):
    make_folder(tmp_path / "happy", "new\nline_1.mp4", "=1+1_1.mp4", "<script>_1.mp4")
    (tmp_path / "happy" / os.fsdecode(b"\xff_1.mp4")).write_bytes(b"")
    videos = find_videos(tmp_path).videos
    assert "happy/new\\nline_1.mp4" in videos["video"].tolist()
    assert all(name.isprintable() for name in [*videos["video"], *videos["walker"]])
    assert all(os.path.exists(path) for path in videos["path"])
    videos.drop(columns="path").to_csv(tmp_path / "out.csv")  # no name that UTF-8 cannot hold


def test_videos_without_labels(tmp_path):
    found = find_videos(make_folder(tmp_path, "ale_1.mp4", "bo_1.mp4"))
    assert found.source == "none"
    assert found.videos["emotion"].isna().all()
    assert "no labels" in found.warnings[0]
    assert [path.name for path in list_videos(tmp_path)] == ["ale_1.mp4", "bo_1.mp4"]


def test_missing_folder_and_no_video(tmp_path):
    with pytest.raises(InputError, match="nowhere is not there: check its name"):
        find_videos(tmp_path / "nowhere")
    make_folder(tmp_path, "README.md")
    assert list_videos(tmp_path) == []
    with pytest.raises(InputError, match="No video in .*: put videos into one folder an emotion"):
        find_videos(tmp_path)
    with pytest.raises(InputError, match="is not a folder"):
        find_videos(tmp_path / "README.md")


# Manifests


def test_manifest_in_the_folder_comes_before_folders(tmp_path):
    make_folder(tmp_path, "happy/a_1.mp4", "b_1.mp4", "extra_1.mp4")
    write(
        tmp_path / "labels.csv",
        "video,emotion,walker,reference\nhappy/a_1.mp4,Sad,007,\nb_1.mp4, HAPPY ,,x\n",
    )
    found = find_videos(tmp_path)
    assert found.source == "manifest"
    assert found.videos["emotion"].tolist() == ["sad", "happy"]
    assert found.videos["walker"].tolist() == ["007", "b"]
    assert found.videos["reference"].tolist() == [None, "x"]
    assert found.skipped.to_numpy().tolist() == [["extra_1.mp4", f"Not listed in {tmp_path / 'labels.csv'}."]]


def test_given_label_file_comes_first(tmp_path):
    make_folder(tmp_path / "videos", "happy/a_1.mp4")
    write(tmp_path / "videos" / "labels.csv", "video,emotion\nhappy/a_1.mp4,happy\n")
    other = write(tmp_path / "other.csv", "video,emotion\nhappy/a_1.mp4,sad\n")
    assert find_videos(tmp_path / "videos", other).videos["emotion"].tolist() == ["sad"]


@pytest.mark.parametrize(
    "listed", ["happy/a_1.mp4", "happy\\a_1.mp4", "a_1", "a_1.mp4", "HAPPY/A_1", "./happy/a_1.mp4"]
)
def test_names_match_without_folder_suffix_or_case(tmp_path, listed):
    make_folder(tmp_path, "happy/a_1.mp4", "b_1.mp4")
    write(tmp_path / "labels.csv", f"video,emotion\n{listed},happy\n")
    assert find_videos(tmp_path).videos["video"].tolist() == ["happy/a_1.mp4"]


def test_name_of_several_files_is_skipped(tmp_path):
    make_folder(tmp_path, "x/a_1.mp4", "y/a_1.mp4", "b_1.mp4")
    write(tmp_path / "labels.csv", "video,emotion\na_1,happy\nb_1,sad\n")
    found = find_videos(tmp_path)
    assert found.videos["video"].tolist() == ["b_1.mp4"]
    reasons = dict(found.skipped.itertuples(index=False))
    assert "several files have this name: x/a_1.mp4, y/a_1.mp4" in reasons["a_1"]


def test_missing_videos_are_named_and_counted(tmp_path):
    make_folder(tmp_path, "a_1.mp4")
    write(tmp_path / "labels.csv", "video,emotion\na_1.mp4,happy\nb_1.mp4,sad\nc_1.mp4,sad\n")
    found = find_videos(tmp_path)
    assert found.skipped["video"].tolist() == ["b_1.mp4", "c_1.mp4"]
    assert "not there" in found.skipped["reason"][0]
    assert "3 videos, of which 2 are not there, the first 'b_1.mp4'" in found.warnings[0]
    write(tmp_path / "labels.csv", "video,emotion\nb_1.mp4,sad\n")
    with pytest.raises(InputError, match="labels.csv lists 1 videos, of which none is in the folder"):
        find_videos(tmp_path)


@pytest.mark.parametrize(
    "name",
    ["../secret.mp4", "happy/../../x.mp4", "/etc/passwd", "C:\\x.mp4", "..\\x.mp4", "https://host/x.mp4",
     "file:///x.mp4", "concat:a.mp4|b.mp4"],
)  # fmt: skip
def test_names_that_lead_out_of_the_folder_are_refused(tmp_path, name):
    make_folder(tmp_path / "videos", "a_1.mp4")
    make_folder(tmp_path, "secret.mp4")
    write(tmp_path / "videos" / "labels.csv", f"video,emotion\na_1.mp4,sad\n{name},happy\n")
    with pytest.raises(InputError, match="labels.csv: row 3: .*leads out of the videos folder"):
        find_videos(tmp_path / "videos")


def test_two_emotions_of_one_video_are_refused(tmp_path):
    path = write(tmp_path / "labels.csv", "video,emotion\na_1.mp4,happy\nb_1.mp4,sad\na_1.mp4,sad\n")
    fault = r"a_1.mp4 has two different emotions \(happy, sad in row 2 and row 4\): keep one row"
    with pytest.raises(InputError, match=f"labels.csv: {fault}"):
        read_labels(path)
    make_folder(tmp_path, "a_1.mp4")
    write(path, "video,emotion\na_1.mp4,happy\na_1,sad\n")  # two names of one file
    with pytest.raises(InputError, match="a_1.mp4 has two different emotions"):
        find_videos(tmp_path)


def test_two_walkers_of_one_video_are_refused(tmp_path):
    path = write(tmp_path / "labels.csv", "video,emotion,walker\na.mp4,happy,x\na.mp4,happy,y\n")
    with pytest.raises(InputError, match="two different walkers"):
        read_labels(path)


def test_repeated_rows_are_dropped_with_a_warning(tmp_path):
    path = write(tmp_path / "labels.csv", "video,emotion\na.mp4,happy\na.mp4, Happy\nb.mp4,sad\n")
    table = read_labels(path)
    assert table["video"].tolist() == ["a.mp4", "b.mp4"]
    assert "1 repeated row(s) left out, the first for a.mp4" in table.attrs["warnings"][0]


def test_unknown_emotion_names_the_row(tmp_path):
    make_folder(tmp_path, "a_1.mp4", "b_1.mp4")
    write(tmp_path / "labels.csv", "video,emotion\na_1.mp4,happy\nb_1.mp4,hapy\n")
    with pytest.raises(
        InputError,
        match="labels.csv: row 3: b_1.mp4 has the emotion 'hapy', expected one of happy, sad",
    ):
        find_videos(tmp_path, emotions=["Happy", "sad"])
    assert find_videos(tmp_path).videos["emotion"].tolist() == ["happy", "hapy"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("video,feeling\na,happy\n", "no column 'emotion', found video, feeling: expected"),
        ("file;emotion\na;happy\n", "no column 'video', found file, emotion"),
        ("video,emotion,emotion\na,happy,sad\n", "more than one column 'emotion'"),
        ("video,emotion\na.mp4,\n", r"row 2 has no emotion \(merged cells\?\): fill it in"),
        ("video,emotion\n\n,happy\n", "row 3 has no video"),
        ("video,emotion\n", "has a header but no rows"),
        ("", "is empty: expected a header row"),
        ("\n , \n", "is empty"),
    ],
)
def test_faulty_manifest_is_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=f"labels.csv.*{message}"):
        read_labels(write(tmp_path / "labels.csv", text))


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1", "cp1252"]
)
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_encodings_and_separators(tmp_path, encoding, separator, line_end):
    lines = [
        "Video , EMOTION,notes,Walker",
        "josé_1.mp4 , Happy,x,007",
        "",
        "b_1.mp4,NONE,,Zoë",
        "c_1.mp4,NA,,",
    ]
    text = line_end.join(lines).replace(",", separator)
    table = read_labels(write(tmp_path / "labels.csv", text, encoding))
    assert list(table.columns) == ["video", "emotion", "walker"]
    assert table["video"].tolist() == ["josé_1.mp4", "b_1.mp4", "c_1.mp4"]
    assert table["emotion"].tolist() == ["happy", "none", "na"]
    assert table["walker"].tolist() == ["007", "Zoë", None]


def test_excel_separator_line_and_quotes(tmp_path):
    text = 'sep=;\nvideo;emotion\n"a, ""b""_1.mp4";happy\n'
    assert read_labels(write(tmp_path / "labels.csv", text))["video"].tolist() == ['a, "b"_1.mp4']


def test_manifest_in_excel(tmp_path):
    rows = [["video", "emotion", "walker"], ["a_1.mp4", "happy", 7], ["b_1.mp4", "sad", "007"]]
    table = read_labels(write_sheet(tmp_path / "labels.xlsx", rows))
    assert table["walker"].tolist() == ["7", "007"]


def test_merged_cells_are_an_error_that_says_so(tmp_path):
    book = openpyxl.Workbook()
    for row in [["video", "emotion"], ["a.mp4", "happy"], ["b.mp4", None]]:
        book.active.append(row)
    book.active.merge_cells("B2:B3")
    book.save(tmp_path / "labels.xlsx")
    with pytest.raises(InputError, match=r"row 3 has no emotion \(merged cells\?\)"):
        read_labels(tmp_path / "labels.xlsx")


def test_formula_without_a_value_is_an_error_that_names_the_cell(tmp_path):
    rows = [["video", "emotion"], ["a.mp4", '=LOWER("HAPPY")']]
    with pytest.raises(InputError, match="cell B2 holds a formula without a stored value: open and save"):
        read_labels(write_sheet(tmp_path / "labels.xlsx", rows))


def test_cell_in_the_far_corner_is_not_slow(tmp_path):
    book = openpyxl.Workbook()
    for row in [["video", "emotion"], ["a.mp4", "happy"]]:
        book.active.append(row)
    book.active["XFD1048576"] = "stray"
    book.save(tmp_path / "labels.xlsx")
    started = time.perf_counter()
    assert read_labels(tmp_path / "labels.xlsx")["video"].tolist() == ["a.mp4"]
    assert time.perf_counter() - started < 5


def test_decompression_bomb_is_refused(tmp_path):
    path = tmp_path / "labels.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", bytes(250_000_000))
    started = time.perf_counter()
    with pytest.raises(InputError, match="labels.xlsx would unpack to 250 MB"):
        read_labels(path)
    assert path.stat().st_size < 1_000_000
    assert time.perf_counter() - started < 1


def test_entity_bomb_is_refused(tmp_path):
    good = write_sheet(tmp_path / "good.xlsx", [["video", "emotion"], ["a.mp4", "happy"]])
    entities = "".join(f'<!ENTITY e{k} "{f"&e{k - 1};" * 10 if k else "x" * 100}">' for k in range(9))
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(tmp_path / "labels.xlsx", "w") as target:
        for member in source.namelist():
            content = source.read(member).decode()
            if "sheet1" in member:
                content = f"<!DOCTYPE x [{entities}]>" + content.replace("happy", "&e8;").replace(
                    "<sheetData>",
                    '<sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>&e8;</t></is></c></row>',
                )
            target.writestr(member, content)
    with pytest.raises(InputError, match="labels.xlsx cannot be read as an Excel file"):
        read_labels(tmp_path / "labels.xlsx")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("labels.xlsx", b"video,emotion\na,happy\n", "is not an Excel file"),
        ("labels.xlsx", b"PK\x03\x04 cut off", "is not an Excel file, or is damaged"),
        ("labels.csv", b"PK\x03\x04 cut off", "is not an Excel file, or is damaged"),
        ("labels.csv", b"\xd0\xcf\x11\xe0" + bytes(600), "is an old .xls file or protected by a password"),
        ("labels.csv", b'video,emotion\n"' + b"x" * 200_000, "is not a CSV table"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_labels(tmp_path / name)


def test_missing_label_file(tmp_path):
    make_folder(tmp_path, "a_1.mp4")
    with pytest.raises(InputError, match="Label file .*nolabels.csv is not there"):
        find_videos(tmp_path, tmp_path / "nolabels.csv")
    with pytest.raises(InputError, match="is not a regular file"):
        read_labels(tmp_path)


# Rating sheets


def test_rating_sheet_becomes_labels(tmp_path):
    table = read_labels(write_sheet(tmp_path / "ratings.xlsx", sheet_rows(RATINGS)))
    assert table.columns.tolist() == [
        *("video", "emotion", "walker", "happy", "angry", "sad", "neutral", "num_raters", "margin"),
        *("share_happy", "share_angry", "share_sad", "share_neutral", "agreement"),
    ]
    shares = table.filter(like="share_")
    assert shares.sum(axis=1).tolist() == pytest.approx([1.0, 1.0, 1.0])
    assert shares.loc[0].tolist() == pytest.approx([1.0, 0.0, 0.0, 0.0])
    assert table["video"].tolist() == ["VID_001", "VID_002", "VID_003"]
    assert table["emotion"].tolist() == ["happy", "angry", "happy"]
    assert table["num_raters"].tolist() == [2, 3, 2]
    assert table["margin"].tolist() == pytest.approx([2.5, 1.0, 0.0])
    assert table.loc[1, ["happy", "angry", "sad", "neutral"]].tolist() == pytest.approx([4 / 3, 4, 1, 3])
    assert table["walker"].isna().all()
    assert table.attrs["warnings"] == [
        "VID_003: a tie of mean ratings, taken as happy, the first of them in the sheet."
    ]


def test_columns_count_by_name_not_by_place(tmp_path):
    rows = sheet_rows(RATINGS)
    expected = read_labels(write_sheet(tmp_path / "a.xlsx", rows)).set_index("video").sort_index()
    order = [0, 12, 1, 7, 3, 9, 5, 11, 2, 10, 6, 4, 8]
    shuffled = [[row[index] for index in order] for row in rows]
    shuffled = [row + [None, None] for row in shuffled] + [[]] * 3
    table = read_labels(write_sheet(tmp_path / "b.xlsx", shuffled)).set_index("video").sort_index()
    columns = ["happy", "angry", "sad", "neutral", "num_raters", "margin"]
    pd.testing.assert_frame_equal(table[columns], expected[columns])
    assert table["emotion"].tolist()[:2] == ["happy", "angry"]


def test_rating_sheet_as_csv_and_with_merged_names(tmp_path):
    rows = sheet_rows(RATINGS)
    rows[0] = [cell if index % 4 == 1 or not index else "" for index, cell in enumerate(rows[0])]
    text = "\n".join(";".join("" if cell is None else str(cell) for cell in row) for row in rows)
    table = read_labels(write(tmp_path / "ratings.csv", text))
    assert table["emotion"].tolist() == ["happy", "angry", "happy"]


def test_rows_of_means_are_no_raters(tmp_path):
    rows = [*sheet_rows(RATINGS), ["Mean", *[2.5] * 12]]
    assert read_labels(write_sheet(tmp_path / "a.xlsx", rows))["num_raters"].tolist() == [2, 3, 2]


@pytest.mark.parametrize(
    ("row", "column", "value", "message"),
    [
        (2, 1, "six", "row 3 rates VID_001 'six': expected a number from 1 to 5 or nothing"),
        (2, 1, 9, "row 3 rates VID_001 '9'"),
        (1, 1, "How?", r"column 2 \('How\?'\) lacks the emotion after a '-'"),
        (0, 1, None, r"column 2 .* lacks the video's name above it"),
        (
            1,
            2,
            "- happy",
            "VID_001 is rated for happy in two columns, 2 and 3: remove or rename one",
        ),
    ],
)
def test_faulty_rating_sheet_is_refused(tmp_path, row, column, value, message):
    rows = sheet_rows(RATINGS)
    rows[row][column] = value
    with pytest.raises(InputError, match=f"a.xlsx: {message}"):
        read_labels(write_sheet(tmp_path / "a.xlsx", rows))


def test_rating_sheet_labels_files_by_their_stems(tmp_path):
    make_folder(tmp_path / "videos", "VID_001.mp4", "deep/VID_002.avi")
    sheet = write_sheet(tmp_path / "ratings.xlsx", sheet_rows(RATINGS))
    found = find_videos(tmp_path / "videos", sheet)
    assert found.source == "ratings"
    assert found.videos["video"].tolist() == ["VID_001.mp4", "deep/VID_002.avi"]
    assert found.videos["margin"].tolist() == pytest.approx([2.5, 1.0])
    assert found.skipped["video"].tolist() == ["VID_003"]
    assert "all videos show one walker, 'VID'" in found.warnings[-1]


@pytest.mark.parametrize(
    ("rows", "walkers"),
    [
        ("video,emotion,walker\nVID_001,sad,ann\nVID_002.mp4,sad,bob\n", ["ann", "bob", "VID"]),
        ("Walker,Video\nann,VID_001\n,VID_002\n", ["ann", "VID", "VID"]),
        ("video,emotion\nVID_001,sad\n", ["VID", "VID", "VID"]),
        ("", ["VID", "VID", "VID"]),
    ],
)
def test_walkers_of_a_rating_sheet_stand_in_the_folders_labels(tmp_path, rows, walkers):
    """The sheet's emotions hold; who is not in the file is known by name."""
    make_folder(tmp_path / "videos", "VID_001.mp4", "VID_002.mp4", "VID_003.mp4")
    sheet = write_sheet(tmp_path / "a.xlsx", sheet_rows(RATINGS))
    alone = find_videos(tmp_path / "videos", sheet).videos
    write(tmp_path / "videos" / "labels.csv", rows)
    videos = find_videos(tmp_path / "videos", sheet).videos
    assert videos["walker"].tolist() == walkers
    assert videos["emotion"].tolist() == alone["emotion"].tolist()


def test_two_walkers_of_one_rated_video_are_refused(tmp_path):
    make_folder(tmp_path / "videos", "VID_001.mp4", "VID_002.mp4")
    write(tmp_path / "videos" / "labels.csv", "video,walker\nVID_001,ann\nVID_001.mp4,bob\n")
    with pytest.raises(InputError, match="two different walkers"):
        find_videos(tmp_path / "videos", write_sheet(tmp_path / "a.xlsx", sheet_rows(RATINGS)))


def test_emotion_of_a_rating_sheet_with_the_name_of_a_column_is_refused(tmp_path):
    sheet = write_sheet(tmp_path / "a.xlsx", sheet_rows(RATINGS, ["Happy", "Video", "Sad", "Neutral"]))
    with pytest.raises(InputError, match="a.xlsx asks for 'video', which is the name of a column: rename"):
        read_labels(sheet)


def test_raters_in_long_form(tmp_path):
    path = write_sheet(tmp_path / "ratings.xlsx", sheet_rows(RATINGS))
    ratings = read_raters(path)
    assert ratings.columns.tolist() == ["video", "rater", "emotion", "rating"]
    assert len(ratings) == 7 * 4
    assert ratings.groupby("video")["rater"].nunique().tolist() == [2, 3, 2]
    manifest = write(tmp_path / "labels.csv", "video,emotion\na,happy\n")
    with pytest.raises(InputError, match="labels.csv is not a rating sheet: expected video names in row 1"):
        read_raters(manifest)


@pytest.mark.parametrize(
    ("raters", "expected"),
    [
        ([[5, 1, 1, 1], [5, 1, 1, 1]], 1.0),
        ([[5, 1, 1, 1], [1, 5, 1, 1]], 0.0),
        ([[5, 5, 1, 1], [5, 1, 1, 1]], 0.5),  # each way a half
        ([[5, 1, 1, 1], [5, 1, 1, 1], [1, 5, 1, 1]], 0.25),  # the others of the first two are tied
        ([[5, 1, 1, 1]], None),
    ],
)
def test_rater_agreement_in_closed_form(tmp_path, raters, expected):
    path = write_sheet(tmp_path / "a.xlsx", sheet_rows({"VID": raters}))
    agreement = rater_agreement(read_raters(path))
    if expected is None:
        assert agreement != agreement
    elif len(raters) == 3:
        assert agreement == pytest.approx((0.5 + 0.5 + 0.0) / 3)
    else:
        assert agreement == pytest.approx(expected)


# Checks across folders


def test_emotions_of_train_and_test():
    train = pd.DataFrame({"video": ["a", "b"], "emotion": ["happy", "sad"]})
    test = pd.DataFrame({"video": ["c", "d"], "emotion": ["sad", "angry"]})
    check_emotions(train)
    check_emotions(train, train)
    with pytest.raises(InputError, match="Test video d shows 'angry', which no training video shows"):
        check_emotions(train, test)
    with pytest.raises(InputError, match="only 'happy': at least two emotions"):
        check_emotions(train[:1])
    with pytest.raises(InputError, match="no emotion"):
        check_emotions(train.assign(emotion=None))


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx"])
def test_cells_that_would_be_formulas_are_escaped(text):
    assert escape_cell(text) == "'" + text
    assert escape_cell("plain" + text) == "plain" + text
