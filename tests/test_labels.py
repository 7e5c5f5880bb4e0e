"""Labels from folders, manifests and rating sheets, and every fault that people put into them."""

import csv
import itertools
import os

import openpyxl
import pandas as pd
import pytest

from gaitlib.errors import InputError
from gaitlib.labels import check_emotions, check_enough_walkers, inspect_labels, read_labels
from gaitlib.labels.finding import find_videos, list_videos

EMOTIONS = ("Happy", "Angry", "Sad", "Neutral")
ACTED = ("angry", "happy", "neutral", "sad")
RATINGS = {
    "VID_001": [[5, 1, 1, 2], [4, 1, 2, 2]],
    "VID_002": [[1, 5, 1, 1], [1, 4, 1, 3], [2, 3, 1, 5]],
    "VID_003": [[3, 1, 1, 3], [3, 2, 1, 3]],
}


def make_files(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return folder


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def write_sheet(path, *sheets):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for rows in sheets:
        sheet = book.create_sheet()
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def sheet_rows(ratings, emotions=EMOTIONS):
    """Make the rows of a rating sheet from {video: [one list of ratings a rater]}."""
    videos, questions = ["Gait ID"], ["Question"]
    for video in ratings:
        videos += [f" {video}"] * len(emotions)
        questions += [f"The person in the video appears ... - {emotion}" for emotion in emotions]
    rows = [videos, questions]
    for rater in range(max(map(len, ratings.values()))):
        cells = [
            raters[rater] if rater < len(raters) else [None] * len(emotions) for raters in ratings.values()
        ]
        rows.append([f"Participant {rater + 1}", *itertools.chain(*cells)])
    return rows


def reasons(found):
    return dict(found.skipped.itertuples(index=False))


def test_one_folder_an_emotion(tmp_path):
    make_files(tmp_path, "happy/ale_1.mp4", "Sad/Ale_2.MOV", "sad/more/bo_b_1.webm")
    found = find_videos(tmp_path)
    assert found.videos["video"].tolist() == ["Sad/Ale_2.MOV", "happy/ale_1.mp4", "sad/more/bo_b_1.webm"]
    assert found.videos["emotion"].tolist() == ["sad", "happy", "sad"]
    assert found.videos["walker"].tolist() == ["Ale", "ale", "bo_b"]
    assert found.videos["path"].tolist()[1] == str(tmp_path / "happy" / "ale_1.mp4")
    assert (found.warnings, len(found.skipped)) == ([], 0)


def test_the_label_is_the_folder_that_names_an_emotion_of_the_rest(tmp_path):
    make_files(
        tmp_path, "day1/happy/ann_1.mp4", "froh/bo_1.mp4", "lost_1.mp4", "day2/froh/ann_2.mp4", "x/y/a_1.mp4"
    )
    found = find_videos(tmp_path)
    assert found.videos[["emotion", "walker"]].to_numpy().tolist() == [
        ["happy", "ann"],
        ["froh", "ann"],
        ["froh", "bo"],
    ]
    reason = "None of its folders is named like an emotion of the other videos."
    assert set(reasons(found).values()) == {reason}
    assert set(reasons(found)) == {"lost_1.mp4", "x/y/a_1.mp4"}


def test_what_is_no_video_is_skipped_or_ignored(tmp_path):
    make_files(tmp_path, "happy/a_1.mp4", "happy/notes.txt", "README.md", "truth.csv", "sad/.hidden.mp4")
    make_files(tmp_path, ".cache/x_1.mp4", "__MACOSX/a_1.mp4")
    (tmp_path / "happy" / "loop.mp4").symlink_to("loop.mp4")
    (tmp_path / "sad" / "linked").symlink_to(make_files(tmp_path.parent / "apart", "b_1.mp4"))
    found = find_videos(tmp_path)
    assert found.videos["video"].tolist() == ["happy/a_1.mp4", "sad/linked/b_1.mp4"]
    assert len(list_videos(tmp_path)) == 3
    reason = "Not a video by its suffix, or no file that can be read."
    assert reasons(found) == dict.fromkeys(["happy/loop.mp4", "happy/notes.txt"], reason)


def test_names_of_all_kinds_become_printable(tmp_path):
    make_files(
        tmp_path / "\x1b[2jred", "new\nline_1.mp4", "=1+1_1.mp4", "<b>_1.mp4", os.fsdecode(b"\xff_1.mp4")
    )
    videos = find_videos(tmp_path).videos
    assert len(videos) == len(list_videos(tmp_path)) == 4
    for column in ("video", "walker", "emotion"):
        assert all(text.isprintable() and text.encode() for text in videos[column])
    assert all(os.path.exists(path) for path in videos["path"])


def test_videos_without_labels_and_no_video(tmp_path):
    found = find_videos(make_files(tmp_path / "a", "ale_1.mp4", "bo_1.mp4"))
    assert found.videos["emotion"].isna().all()
    for name, fault in {"nowhere": "is not there: check", "a/bo_1.mp4": "is not a folder"}.items():
        with pytest.raises(InputError, match=fault):
            find_videos(tmp_path / name)
    make_files(tmp_path / "b", "README.md")
    with pytest.raises(InputError, match="No video in .*: put some into one folder per emotion"):
        find_videos(tmp_path / "b")


def names_of(pattern, walkers=("ann1", "bob2", "cat3", "dan4"), takes=(1, 2)):
    fill = {"W": walkers, "E": ACTED, "T": takes}
    for walker, emotion, take in itertools.product(*fill.values()):
        forms = {"Up": emotion.title(), "code": emotion[:2].upper()}
        yield pattern.format(W=walker, E=emotion, T=take, **forms)


@pytest.mark.parametrize(
    "pattern",
    ["{E}/{W}_{E}_{T}.mp4", "{E}/{E}_{W}_{T}.mp4", "{E}/{W}-{E}-{T}.mp4", "{E}/{W}_{T}_{E}.mp4"]
    + ["{E}/{W}_{E}.mp4"]
    + ["{E}/{W}{Up}{T}.mp4", "{E}/{W} {E} ({T}).mp4"],
)
def test_emotion_in_the_file_name_is_no_part_of_the_walker(tmp_path, pattern):
    found = find_videos(make_files(tmp_path, *names_of(pattern)))
    assert found.videos["walker"].nunique() == 4
    assert (found.videos.groupby("walker")["emotion"].nunique() == 4).all()
    assert "hold the emotion beside the walker" in found.warnings[0]
    assert inspect_labels(found.videos) == []


def test_numbers_of_up_to_five_digits_are_walkers(tmp_path):
    for walker in ("7", "0123", "10234"):
        names = [f"{emotion}/{walker}_{take}.mp4" for emotion in ACTED for take in (1, 2)]
        found = find_videos(make_files(tmp_path / walker, *names))
        assert (set(found.videos["walker"]), found.warnings) == ({walker}, [])


@pytest.mark.parametrize(
    ("pattern", "num_walkers", "warning"),
    [
        ("{E}/{W}_{T}.mp4", 4, ""),
        ("{E}/{W}/take{T}.mp4", 4, "the folder is taken"),
        ("{E}/{W}/front_{T}.mp4", 4, "the folder is taken"),
        ("{W}/{E}/IMG_4{T}.MOV", 4, "the folder is taken"),
        ("{E}/{W}/{W}_{T}.mp4", 4, ""),
        ("day{T}/{E}/{W}_1.mp4", 4, ""),
        ("{E}/session {T}/{W}_1.mp4", 4, ""),
        ("{E}/{W} ({T}).mp4", 4, "each name counts as a walker of its own"),
        ("{E}/{W}_1 - Copy ({T}).mp4", 4, ""),
        ("{E}/VID_2024050{T}_{W}.mp4", 8, "each name counts as a walker of its own"),
        ("{E}/IMG_{W}{T}.MOV", 8, "each name counts as a walker of its own"),
        ("{E}/WhatsApp Video 2024-05-{W} at 10.1{T}.05.mp4", 8, "each name counts as a walker of its own"),
        ("{E}/walk_{W}{T}.mp4", 8, "each name counts as a walker of its own"),
        ("{E}/WIN_202405{W}_10_1{T}_05_Pro.mp4", 8, "each name counts as a walker of its own"),
        ("{E}/{E}_{W}{T}.mp4", 8, "angry_011 was read as walker '011'"),
        ("{E}/{W}_{T}_side.mp4", 8, "'ann_1' and 'ann_2' may be one person (pairs of this kind: 4)"),
        ("{E}/2024-05-0{T}_{W}_1.mp4", 8, "may be one person (pairs of this kind: 4)"),
        ("{E}/dev/{W}_{T}.mp4", 4, ""),
        ("{E}/P{W}1_S{T}_1.mp4", 8, "may be one person (pairs of this kind: 4)"),
        ("{E}/{W}_with{T}hat_1.mp4", 8, "may be one person (pairs of this kind: 4)"),
        ("{E}/{W}9S{T}_1.mp4", 8, "'ann9S1' and 'ann9S2' may be one person (pairs of this kind: 4)"),
        ("{E}/S{T}_{W}_1.mp4", 8, "'S1_ann' and 'S2_ann' may be one person (pairs of this kind: 4)"),
        ("{E}/Copy of {W}_{T}.mp4", 4, ""),
        ("{E}/{T}_{W}.mp4", 2, "1_ann was read as a video of walker 1"),
    ],
)
def test_walkers_by_other_patterns(tmp_path, pattern, num_walkers, warning):
    is_numbered = num_walkers > 4 and "one person" not in warning
    walkers = ("01", "02", "03", "04") if is_numbered else ("ann", "bob", "cat", "dan")
    found = find_videos(make_files(tmp_path, *names_of(pattern, walkers)))
    assert found.videos["walker"].nunique() == num_walkers
    assert sorted(set(found.videos["emotion"])) == list(ACTED)
    told = [*found.warnings, *inspect_labels(found.videos)]
    assert warning in " ".join(told) if warning else told == []


def test_one_person_under_two_names_is_told():
    names = ("ann", "ann_happy"), ("P1", "P01"), ("ann lee", "Ann_Lee"), ("ann", "ann_"), ("ann", "ann_take")
    for pair in (*names, ("jörg", "jorg"), ("P01", "P-1")):
        rows = [(emotion, walker) for emotion in ("happy", "sad") for walker in ("zoe", *pair)]
        (doubt,) = inspect_labels(pd.DataFrame(rows, columns=["emotion", "walker"]))
        assert "may be one person (pairs of this kind: 1)" in doubt
    rows = [(emotion, f"{number}") for emotion in ("happy", "sad") for number in range(12)]
    assert inspect_labels(pd.DataFrame(rows, columns=["emotion", "walker"])) == []


@pytest.mark.parametrize("pattern", ["{E}/{E}_{W}_1.mp4", "{E}/{W}_{E}.mp4", "lab/{E}/{W}_{E}.mp4"])
def test_people_whose_names_hold_an_emotion_stay_one(tmp_path, pattern):
    walkers = ("mohammad", "madison", "joyce", "norma")
    found = find_videos(make_files(tmp_path, *names_of(pattern, walkers, takes=(1,))))
    assert set(found.videos["walker"]) == set(walkers) and len(found.warnings) == 1


def test_numbered_people_of_two_groups_raise_no_doubt(tmp_path):
    names = names_of("{E}/{W}_{T}.mp4", ("male_01", "female_02", "female_03"))
    found = find_videos(make_files(tmp_path, *names))
    assert [*found.warnings, *inspect_labels(found.videos)] == []
    given = found.videos.assign(walker=found.videos["walker"].str.replace("01", "02"))
    assert inspect_labels(given) == []  # male_02 and female_02 stand in a column
    names = names_of("{E}/{W}_{T}.mp4", ("01", "02", "03"), takes=("frontal", "lateral"))
    assert find_videos(make_files(tmp_path / "views", *names)).warnings == []


@pytest.mark.parametrize("pattern", ["{0}/{0}_{1}.mp4", "{0}/{0} ({1}).mp4", "{0}/{0}_walk_{1}.mp4"])
def test_an_emotion_is_no_walker(tmp_path, pattern):
    places = enumerate(["happy"] * 4 + ["sad"] * 4, 1)
    files = [pattern.format(emotion, number) for number, emotion in places]
    found = find_videos(make_files(tmp_path, *files))
    assert found.videos["walker"].nunique() == 8
    assert "each name counts as a walker of its own" in found.warnings[0]


@pytest.mark.parametrize(
    ("pattern", "fault"),
    [
        ("train/{E}/{W}_{T}.mp4", "holds folders called train, which are not emotions"),
        ("Train_set/{E}/{W}_{T}.mp4", "holds folders called train_set, which are not emotions"),
        ("{E}/test/{W}_{T}.mp4", "holds folders called test, which are not emotions: give one as --videos"),
        ("{W}/{E}_{T}.mp4", "look like people or days .ann1/angry_1.mp4.: make one folder per emotion"),
        ("{W}/walk{T}-{Up}.mp4", "look like people"),
        ("day{T}/{W}_1.mp4", "look like people or days"),
        ("{W}/{code}/{T}.mp4", "look like people or days"),
        ("Actor_0{T}/01-{W}-{code}.mp4", "look like people or days"),
    ],
)
def test_folders_that_are_no_emotions_are_told(tmp_path, pattern, fault):
    make_files(tmp_path, *names_of(pattern))
    with pytest.raises(InputError, match=fault):
        find_videos(tmp_path)


def shown(**walkers):
    """Make rows of emotion and walker from {emotion: names of one letter}."""
    return [(emotion, walker) for emotion, names in walkers.items() for walker in names]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (shown(happy="ab", hapy="a", sad="ab"), ["'happy' and 'hapy'", "'hapy'"]),
        (shown(sad="abc", sadness="abc"), ["'sad' and 'sadness' may be the same"]),
        (shown(happy="abc", joy="abc"), ["'happy' and 'joy'"]),
        (shown(fear="abc", scared="abc"), ["'fear' and 'scared'"]),
        (shown(happy="abc", happy2="abc", level1="abc", level10="abc"), ["'happy' and 'happy2'"]),
        (shown(happy="aabb", sad="ccdd"), ["Each walker shows one emotion only"]),
        (shown(angry="abc", happy="abc", sad="abc", unhappy="abc", fear="abc"), []),
    ],
)
def test_doubtful_labels_are_told(rows, words):
    warnings = inspect_labels(pd.DataFrame(rows, columns=["emotion", "walker"]))
    assert len(warnings) == len(words)
    assert all(word in warning for word, warning in zip(words, warnings, strict=True))


def test_too_few_walkers_and_emotions():
    train = pd.DataFrame({"video": ["a", "b"], "emotion": ["happy", "sad"], "walker": ["x", "y"]})
    check_enough_walkers(train, has_test=True)
    with pytest.raises(
        InputError, match=r"^2 walkers; at least 3 are needed \(training, validation, test\); found"
    ):
        check_enough_walkers(train)
    with pytest.raises(InputError, match="^1 walker; at least 2 are needed"):
        check_enough_walkers(train[:1], has_test=True)
    check_emotions(train, train)
    with pytest.raises(InputError, match="Test video c shows 'angry', which no training video shows"):
        check_emotions(train, pd.DataFrame({"video": ["c"], "emotion": ["angry"]}))
    with pytest.raises(InputError, match="only 'happy': at least two emotions"):
        check_emotions(train[:1], train)


def test_manifests_come_before_folders_and_a_given_one_first(tmp_path):
    make_files(tmp_path, "happy/a_1.mp4", "b_1.mp4", "extra_1.mp4")
    rows = "video,emotion,walker\nhappy/a_1.mp4,Sad,007\nb_1.mp4, HAPPY ,\n"
    write(tmp_path / "Labels.csv", rows)
    found = find_videos(tmp_path)
    assert found.videos["emotion"].tolist() == ["sad", "happy"]
    assert found.videos["walker"].tolist() == ["007", "b"]
    assert "name no walker (merged cells?): 1, such as that of b_1.mp4" in found.warnings[0]
    assert reasons(found) == {"extra_1.mp4": f"Not listed in {tmp_path / 'Labels.csv'}."}
    other = write(tmp_path.parent / "other.csv", "video,emotion\nhappy/a_1.mp4,calm\n")
    assert find_videos(tmp_path, other).videos[["emotion", "walker"]].to_numpy().tolist() == [["calm", "007"]]


def test_a_column_of_people_is_read_whatever_it_is_called(tmp_path):
    for header in ("Person", "subject_id", "Actor name", "WALKER"):
        path = write(tmp_path / "labels.csv", f"video,emotion,{header}\na_1.mp4,sad,eve\n")
        assert read_labels(path)["walker"].tolist() == ["eve"]
    path = write(tmp_path / "labels.csv", "video,emotion,walker,walker\na_1.mp4,sad,eve,ann\n")
    with pytest.raises(InputError, match="must have one column 'walker'"):
        read_labels(path)


def test_names_match_without_folder_suffix_or_case_and_the_rest_is_told(tmp_path):
    make_files(tmp_path, "x/a_1.mp4", "y/a_1.mp4", "z/b_1.mp4", "x/d_1.mp4", "e_1.mp4")
    listed = ["x/a_1", "a_1", "B_1", "c_1", "x\\d_1.mp4", "./e_1"]
    write(tmp_path / "labels.csv", "\n".join(["video,emotion", *(f"{name},sad" for name in listed)]))
    found = find_videos(tmp_path)
    assert found.videos["video"].tolist() == ["x/a_1.mp4", "z/b_1.mp4", "x/d_1.mp4", "e_1.mp4"]
    assert found.videos["listed"].tolist() == ["x/a_1", "B_1", "x\\d_1.mp4", "./e_1"]
    assert "it is the name of several: x/a_1.mp4, y/a_1.mp4" in reasons(found)["a_1"]
    assert reasons(found)["c_1"].endswith("labels.csv, but not there.")
    write(tmp_path / "labels.csv", "video,emotion\nc_1.mp4,sad\na_1,sad\n")
    with pytest.raises(InputError, match="labels.csv lists no video that is there, or names of several"):
        find_videos(tmp_path)


def test_names_that_lead_out_of_the_folder_are_not_there(tmp_path):
    make_files(tmp_path, "videos/a_1.mp4", "secret.mp4")
    names = ["../secret.mp4", "happy/../../secret.mp4", str(tmp_path / "secret.mp4"), "file:///secret.mp4"]
    rows = "".join(f"{name},happy\n" for name in names)
    write(tmp_path / "videos" / "labels.csv", f"video,emotion\na_1.mp4,sad\n{rows}")
    found = find_videos(tmp_path / "videos")
    assert found.videos["video"].tolist() == ["a_1.mp4"]
    assert set(reasons(found)) == set(names)


@pytest.mark.parametrize(
    "content",
    [
        "\ufeff\ufeffvideo,emotion\na.mp4,happy\nb.mp4,None\n",
        "video\u200b,emotion\n\u200ea.mp4,happy\u200b\nb.mp4,none\n",
        "video\u00a0,\u00a0emotion\na.mp4,\u00a0happy \nb.mp4,none\n",
        "video,emotion\ra.mp4,happy\rb.mp4,none\r",
        "\n\nvideo,emotion,,\n\na.mp4,happy,,\n,,,\nb.mp4,none,,\n",
        'VIDEO;"Emotion"\n"a.mp4";" HAPPY "\nb.mp4;None\nb.mp4;NONE\n',
        "notes\tvideo\temotion\tscore\nx, y; z\ta.mp4\thappy\t3\n\tb.mp4\tnone\n",
        "video,emotion\r\na.mp4,happy\r\nb.mp4,none".encode("utf-16"),
    ],
)
def test_ways_to_write_the_same_table(tmp_path, content):
    table = read_labels(write(tmp_path / "labels.csv", content))
    assert table[["video", "emotion"]].to_numpy().tolist() == [["a.mp4", "happy"], ["b.mp4", "none"]]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (
            "video,feeling\na,happy\n",
            "must have one column 'emotion', found video, feeling: expected a header",
        ),
        ("My labels\n\nvideo,emotion\na,happy\n", "must have one column 'video', found my labels"),
        ("video,emotion\na.mp4,\n", r"row 2 has no emotion \(merged cells, or \?\): fill it in"),
        ("video,emotion\na.mp4,N/A\n", "row 2 has no emotion"),
        ("video,emotion\n\n,happy\n", "row 3 has no video"),
        ("video,emotion\na_1,happy\nb_1,sad\na_1,sad\n", "rows on a_1 contradict each other"),
        ("video,emotion,walker\na,happy,x\na,happy,y\n", "rows on a contradict each other"),
        ("", "is empty: expected a header row"),
        ("\n , \n", "is empty"),
        ('video,emotion,notes\na,happy,"x\nb,sad,y\n', "cannot be read as a table .unexpected end of data"),
        ("video;emotion\na;happy\n".encode("utf-16-le"), "must have one column 'video'"),
        (b"PK\x03\x04 cut off", "File is not a zip file.: save it as CSV"),
        (b"\xd0\xcf\x11\xe0" + bytes(600), "cannot be read as a table"),
    ],
)
def test_faulty_label_file_is_one_sentence(tmp_path, content, fault):
    with pytest.raises(InputError, match=fault) as error:
        read_labels(write(tmp_path / "labels.csv", content))
    assert str(error.value).startswith(str(tmp_path / "labels.csv"))
    assert "\n" not in str(error.value)


def test_label_file_that_is_no_file(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    for name in ("folder.csv", "pipe.csv", "loop.csv", "none.csv"):
        with pytest.raises(InputError, match=f"{name} is not there, or is no regular file"):
            find_videos(make_files(tmp_path / "videos", "a_1.mp4"), tmp_path / name)


def test_excel_cells_of_other_kinds(tmp_path):
    rows = [["video", "emotion", "walker"], [12, "happy", 7.0], [1.5, "None", "007"], ["a", "sad", "?"]]
    book = openpyxl.load_workbook(write_sheet(tmp_path / "labels.xlsx", rows, [["Notes"]]))
    book.worksheets[0]["XFD1048576"] = "stray"
    book.save(tmp_path / "labels.xlsx")
    table = read_labels(tmp_path / "labels.xlsx")
    assert table.to_numpy().tolist() == [["12", "happy", "7"], ["1.5", "none", "007"], ["a", "sad", None]]


def test_rating_sheet_becomes_labels(tmp_path):
    table = read_labels(write_sheet(tmp_path / "ratings.xlsx", sheet_rows(RATINGS)))
    ratings = ["happy", "angry", "sad", "neutral"]
    others = "video emotion walker num_raters margin agreement".split()
    assert table.columns.tolist() == others[:3] + ratings + others[3:]
    assert table["emotion"].tolist() == ["happy", "angry", "happy"]
    assert table["num_raters"].tolist() == [2, 3, 2]
    assert table["margin"].tolist() == pytest.approx([2.5, 1.0, 0.0])
    assert table.loc[1, ratings].tolist() == pytest.approx([4 / 3, 4, 1, 3])
    assert table["agreement"].tolist() == pytest.approx([1, 1 / 3, 1 / 2])


def test_rating_sheet_in_other_forms_says_the_same(tmp_path):
    """Columns in another order, a question that is no rating, as CSV: the same labels."""
    rows = sheet_rows(RATINGS)
    expected = read_labels(write_sheet(tmp_path / "a.xlsx", rows)).set_index("video")
    order = [0, 12, 1, 7, 3, 9, 5, 11, 2, 10, 6, 4, 8]
    shuffled = write_sheet(tmp_path / "b.xlsx", [[row[index] for index in order] for row in rows])
    extra = [[row[0], one, *row[1:]] for row, one in zip(rows, ("Age", "How old?", 31, 32, 33), strict=True)]
    text = "\n".join(";".join("" if cell is None else str(cell) for cell in row) for row in extra)
    bare = write_sheet(tmp_path / "d.xlsx", [row[1:] for row in rows])  # without the raters' names
    for path in (shuffled, write(tmp_path / "c.csv", text), bare):
        table = read_labels(path).set_index("video").loc[expected.index]
        columns = ["happy", "angry", "sad", "neutral", "num_raters", "margin", "agreement"]
        pd.testing.assert_frame_equal(table[columns], expected[columns])
        assert table["emotion"].tolist()[:2] == ["happy", "angry"]


@pytest.mark.parametrize(
    ("row", "column", "value", "message"),
    [
        (2, 1, "six", "row 3 rates VID_001 'six': expected a number from 1 to 5 or nothing"),
        (2, 1, 9, "row 3 rates VID_001 '9'"),
        (1, 1, "How?", r"column 2 \('How\?'\) must have a video's name above it and end in '- ' and"),
        (0, 1, None, "column 2 .* must have a video's name above it"),
        (1, 2, "- happy", "column 3 .* which no other column of this video has"),
    ],
)
def test_faulty_rating_sheet_is_refused(tmp_path, row, column, value, message):
    rows = sheet_rows(RATINGS)
    rows[row][column] = value
    with pytest.raises(InputError, match=f"a.xlsx: {message}"):
        read_labels(write_sheet(tmp_path / "a.xlsx", rows))


@pytest.mark.parametrize(
    ("rows", "walkers"),
    [
        ("video,walker\nVID_001,ann\nVID_002.mp4,bob\n", ["ann", "bob", "VID_003"]),
        ("Walker,Video\nann,VID_001\n,VID_002\ncat,gone\n", ["ann", "VID_002", "VID_003"]),
        ("video,emotion,walker\nVID_001,sad,ann\n", ["ann", "VID_002", "VID_003"]),
        ("video,emotion\nVID_001,sad\n", ["VID_001", "VID_002", "VID_003"]),
    ],
)
def test_walkers_of_a_rating_sheet_stand_in_the_folders_labels(tmp_path, rows, walkers):
    """The sheet's emotions hold; who is not in the file is known by name."""
    make_files(tmp_path / "videos", "VID_001.mp4", "VID_002.mp4", "deep/VID_003.avi")
    sheet = write_sheet(tmp_path / "a.xlsx", sheet_rows(RATINGS))
    write(tmp_path / "videos" / "labels.csv", rows)
    found = find_videos(tmp_path / "videos", sheet)
    assert len(found.skipped) == 0
    assert found.videos["walker"].tolist() == walkers
    assert found.videos["emotion"].tolist() == ["happy", "angry", "happy"]
    assert "deep/VID_003.avi: a tie of mean ratings, taken as happy." in found.warnings


@pytest.mark.parametrize(
    ("raters", "expected"),
    [
        ([[5, 1, 1, 1], [5, 1, 1, 1]], 1.0),
        ([[5, 1, 1, 1], [1, 5, 1, 1]], 0.0),
        ([[5, 5, 1, 1], [5, 1, 1, 1]], 0.5),  # each way a half
        ([[5, 1, 1, 1], [5, 1, 1, 1], [1, 5, 1, 1]], 1 / 3),  # the others of the first two are tied
        ([[5, 1, 1, 1]], float("nan")),
    ],
)
def test_rater_agreement_in_closed_form(tmp_path, raters, expected):
    path = write_sheet(tmp_path / "a.xlsx", sheet_rows({"VID": raters}))
    assert read_labels(path)["agreement"].tolist() == [pytest.approx(expected, nan_ok=True)]


def test_qualtrics_export_and_rows_of_means_are_read(tmp_path):
    ids = ["Gait ID", *(f"VID_{video}_{question}" for video in (1, 2) for question in (1, 2))]
    questions = ["Question", *("How? - Happy", "How? - Sad") * 2]
    rows = [ids, questions, ['{"ImportId":"x"}'] * 5, ["r1", *"5124"], ["Average rating", *"5124"]]
    path = tmp_path / "sheet.csv"
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    table = read_labels(path)
    assert table[["video", "emotion"]].to_numpy().tolist() == [["VID_1", "happy"], ["VID_2", "sad"]]
    assert table["num_raters"].tolist() == [1, 1]


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8", "utf-16"])
def test_a_manifest_as_excel_writes_it(tmp_path, encoding):
    lines = [f"{e}_{n}.mp4;{e};Jörg {n}" for e, n in itertools.product(("happy", "fröhlich"), "123")]
    for line in lines:
        (tmp_path / line.split(";")[0]).write_bytes(b"0")
    (tmp_path / "labels.csv").write_bytes("\r\n".join(["Video;Emotion;Walker", *lines]).encode(encoding))
    assert set(find_videos(tmp_path).videos["walker"]) == {"Jörg 1", "Jörg 2", "Jörg 3"}


@pytest.mark.parametrize(
    "form", ["{root}/happy/a_1.mp4", "clips/happy/a_1.mp4", "clips\\happy\\a_1.mp4", "a_1"]
)
def test_names_in_a_manifest_may_be_whole_paths(tmp_path, form):
    folder = tmp_path / "clips"
    (folder / "happy").mkdir(parents=True)
    (folder / "happy" / "a_1.mp4").write_bytes(b"0")
    text = form.format(root=folder.as_posix())
    (folder / "labels.csv").write_text(f"video,emotion,walker\n{text},happy,a\n")
    assert list(find_videos(folder).videos["video"]) == ["happy/a_1.mp4"]
