"""The whole job: the run folder of the contract, and what happens when something fails."""

import csv
import json
import shutil
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath, PureWindowsPath

import nbformat
import pandas as pd
import pytest
from commands import is_one_sentence, run_gaitlib, run_here, run_python
from conftest import TINY, FinishedRun, options, videos_of

from gaitlib.data import prepare_data
from gaitlib.demo import SYNTHETIC_COMMENT
from gaitlib.errors import InputError
from gaitlib.files import read_json, write_json
from gaitlib.report import notebooks
from gaitlib.report.run import NOTEBOOKS
from gaitlib.report.step import Step

PAGES = ["index.html", *(f"{name}.html" for name in NOTEBOOKS)]
# Names that would do harm in a page, a formula or a spreadsheet.
EVIL_WALKER = "=<img src=x onerror=alert({number})>$x$"
EVIL_EMOTION = "<b>$y$</b>"
EVIL_FILE = "text <script>alert(2)<script>.mp4"


@pytest.fixture(scope="session")
def user_report(once, demo_folders) -> FinishedRun:
    """Make the report of a user's videos: a manifest, evil names, broken files, no test folder."""

    def make(folder: Path) -> dict[str, str]:
        videos, rows = folder / "videos", []
        videos.mkdir()
        for path in sorted(path for part in demo_folders for path in part.glob("*/*.mp4")):
            walker = EVIL_WALKER.format(number=path.stem.split("_")[0])
            name = f"{walker} {path.parent.name}.mp4"
            # Another comment of the same length: these count as filmed videos.
            comment = SYNTHETIC_COMMENT.encode()
            (videos / name).write_bytes(path.read_bytes().replace(comment, b"x" * len(comment)))
            emotion = EVIL_EMOTION if path.parent.name == "neutral" else path.parent.name
            rows.append((name, emotion, walker))
        (videos / "empty.mp4").write_bytes(b"")
        (videos / EVIL_FILE).write_text("this is no video")
        rows += [("empty.mp4", "sad", "walker05"), (EVIL_FILE, "sad", "walker05")]
        table = pd.DataFrame(rows, columns=["video", "emotion", "walker"])
        table.to_csv(videos / "labels.csv", index=False)
        # A kernelspec of another Python, as in a Jupyter of the whole system: it must not be used.
        spec = folder / "jupyter" / "kernels" / "python3" / "kernel.json"
        command = ["/usr/bin/python-of-another-env", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        write_json(spec, {"argv": command, "display_name": "other", "language": "python"})
        folders, out = videos_of((videos, folder / "videosTest")), folder / "reports" / "run"
        process = run_gaitlib(
            *("report", *folders, "--out", out),
            *options(**TINY | {"epochs": 1, "body": "silhouette"}, leak_lesson="false"),
            JUPYTER_PATH=str(folder / "jupyter"),
            JUPYTER_PREFER_ENV_PATH="0",
        )
        assert process.returncode == 0, process.stdout + process.stderr
        return {"stdout": process.stdout, "stderr": process.stderr}

    folder, printed = once("user_report", make)
    return FinishedRun(folder / "reports" / "run", **printed)


class Elements(HTMLParser):
    """Collects the elements of a page with their attributes, and its text."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def named(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.found if tag in tags]


@pytest.fixture(params=["demo_report", "user_report"])
def any_report(request) -> FinishedRun:
    """Return each of the two reports in turn."""
    return request.getfixturevalue(request.param)


def test_run_folder_holds_what_the_contract_names(any_report):
    names = {path.name for path in any_report.folder.iterdir()}
    assert names >= {"model.keras", "model.h5", "config.json", "results.json"}
    assert names >= {"predictions.csv", "skipped.csv"}
    assert names >= {*PAGES, *(f"{name}.ipynb" for name in NOTEBOOKS)}
    assert not names & {"steps.json", "kernel.log"}
    assert len(list((any_report.folder / "figures").glob("*.png"))) >= 8
    assert {path.name for path in any_report.folder.parent.iterdir()} == {"run", "index.html"}
    assert not [path for path in any_report.folder.rglob("*") if path.name.startswith(".")]


def test_console_says_first_what_will_happen_then_the_time_left(any_report):
    lines = any_report.stdout.splitlines()
    assert lines[0].startswith("Report of ") and "About " in lines[0] and "--profile quick" in lines[0]
    steps = [line for line in lines if line.startswith("[")]
    assert [line.split("]")[0] for line in steps] == [
        f"[{number}/{len(NOTEBOOKS)}" for number in range(1, len(NOTEBOOKS) + 1)
    ]
    assert all(" left" in line for line in steps[:-1])
    assert lines[-1] == f"Report: {any_report.folder / 'index.html'}"
    assert any_report.stderr == ""


def test_results_have_the_keys_of_the_contract(any_report):
    results = read_json(any_report.folder / "results.json")
    assert results.keys() >= {"schema_version", "config", "versions", "git_commit", "data", "test", "chosen"}
    test = results["test"]
    means = {"accuracy", "accuracy_ci95", "balanced_accuracy", "macro_precision", "macro_recall", "macro_f1"}
    assert test.keys() >= means | {"per_class", "confusion_matrix", "labels", "num_videos", "num_walkers"}
    assert test["baselines"].keys() >= {"chance", "majority", "speed_only", "box_forest"}
    for entry in (test, *test["baselines"].values()):
        low, high = entry["accuracy_ci95"]
        assert 0 <= low <= entry["accuracy"] <= high <= 1
    assert results["data"].keys() >= {"fingerprint", "is_demo"}
    assert results["duration_seconds"].keys() >= {*NOTEBOOKS, "total"}
    assert results["config"] == read_json(any_report.folder / "config.json")


def test_predictions_agree_with_the_results(any_report):
    table = pd.read_csv(any_report.folder / "predictions.csv", keep_default_na=False)
    test = read_json(any_report.folder / "results.json")["test"]
    columns = ["video", "walker", "emotion", "predicted", "confidence", "num_clips"]
    assert table.columns.tolist() == columns + [f"p_{label}" for label in test["labels"]]
    assert len(table) == test["num_videos"]
    assert table["walker"].nunique() == test["num_walkers"]
    assert (table["emotion"] == table["predicted"]).mean() == pytest.approx(test["accuracy"])


@pytest.mark.parametrize("page", [*PAGES, "../index.html"])
def test_pages_stand_alone(any_report, page):
    """No request, no dead link, no undescribed picture, no markup from a name."""
    elements = Elements(any_report.folder / page)
    for attributes in elements.named("script", "link", "img", "source", "iframe", "object", "video"):
        place = attributes.get("src") or attributes.get("srcset") or attributes.get("href") or "data:"
        assert place.startswith("data:")
    assert "@import" not in elements.text
    for attributes in elements.named("a"):
        place = attributes.get("href") or ""
        assert place.startswith("#") or (any_report.folder / page).parent.joinpath(place).exists(), place
    assert all(len(attributes.get("alt") or "") > 20 for attributes in elements.named("img"))
    assert not [name for _, attributes in elements.found for name in attributes if name.startswith("on")]


def test_first_page_shows_the_answer_and_hides_the_code(any_report):
    test = read_json(any_report.folder / "results.json")["test"]
    low, high = (100 * value for value in test["accuracy_ci95"])
    text = Elements(any_report.folder / "index.html").text
    assert f"accuracy {100 * test['accuracy']:.1f} % (95 % interval {low:.1f} to {high:.1f} %)" in text
    assert "import " not in text and "Exercises" not in text
    assert "gaitlib report --videos" in text
    lesson = Elements(any_report.folder / "03_training.html").text
    assert "import " in lesson and "Exercises" in lesson
    links = Elements(any_report.folder.parent / "index.html").named("a")
    assert [link["href"] for link in links] == ["run/index.html"]


def test_only_synthetic_walkers_are_called_so(demo_report, user_report):
    for run, is_demo in ((demo_report, True), (user_report, False)):
        assert read_json(run.folder / "results.json")["data"]["is_demo"] is is_demo
        for page in PAGES:
            assert ("drawn by a program" in Elements(run.folder / page).text) is is_demo
    assert "synthetic" in demo_report.stdout


def test_report_shows_what_the_evaluation_drew(demo_report):
    """Notebook 05 computes nothing again: it shows the pictures of the others."""
    shown = read_json(demo_report.folder / "figures" / "shown.json")
    assert shown.keys() >= {"answer", "walkers", "ladder", "confusion_matrix", "effects", "ablation", "leak"}
    cells = nbformat.read(demo_report.folder / "05_results.ipynb", as_version=4).cells
    assert all("evaluate(" not in cell.source for cell in cells)
    page = (demo_report.folder / "index.html").read_text(encoding="utf-8")
    assert page.count("data:image/webp") >= 2


def test_executed_notebooks_are_tidy(any_report):
    for name in NOTEBOOKS:
        path = any_report.folder / f"{name}.ipynb"
        text = path.read_text(encoding="utf-8")
        assert ".gaitlib.tmp" not in text and str(any_report.folder) in text
        code = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        outputs = [output for cell in code for output in cell.outputs]
        assert all(cell.execution_count for cell in code)
        assert not [output for output in outputs if output.output_type == "error"]
        printed = "".join(output.text for output in outputs if output.output_type == "stream")
        assert "Warning" not in printed and "\r" not in printed, f"{name}: {printed[:2000]}"


def test_planted_names_are_shown_as_they_are(user_report):
    elements = Elements(user_report.folder / "index.html")
    assert EVIL_EMOTION in elements.text and "=<img src=x onerror=alert(" in elements.text
    assert elements.named("b") == [{}]  # the headline's number


@pytest.mark.parametrize("name", ["predictions.csv", "skipped.csv", "gait_parameters.csv"])
def test_tables_hold_no_formula(user_report, name):
    with (user_report.folder / name).open(newline="", encoding="utf-8") as stream:
        texts = [cell for row in list(csv.reader(stream))[1:] for cell in row if not _is_number(cell)]
    assert texts and not [cell for cell in texts if cell.startswith(("=", "+", "-", "@", "\t"))]


def _is_number(text: str) -> bool:
    return text.replace(".", "").replace("e-", "").lstrip("-").isdigit()


def test_broken_files_are_listed_with_reasons(user_report):
    table = pd.read_csv(user_report.folder / "skipped.csv")
    reasons = dict(zip(table["video"], table["reason"], strict=True))
    assert reasons.keys() == {"empty.mp4", EVIL_FILE}
    assert all(len(reason) > 15 and "empty.mp4" not in reason for reason in reasons.values())


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("-p", "epoch=3"), ("'epoch'", "epochs")),
        (("-p", "epochs=many"), ("'epochs'", "'many'")),
        (("--profile", "fast"), ("'fast'", "quick, ")),
        (("-p", "x;import os;os.abort();y=1"), ("Unknown setting 'x;import os;os.abort();y'",)),
        (("-p", "run_dir=/etc"), ("Unknown setting 'run_dir'",)),
    ],
)
def test_wrong_setting_stops_before_anything_runs(tmp_path, given, words):
    process = run_here("report", "--out", tmp_path / "reports" / "run", *given)
    assert process.returncode == 2
    assert is_one_sentence(process) and all(word in process.stderr for word in words)
    assert process.stdout == "" and list(tmp_path.iterdir()) == []


def test_existing_run_is_refused_and_untouched(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "index.html").write_text("mine")
    process = run_here("report", "--out", tmp_path / "run", "-p", "epochs=1")
    assert process.returncode == 1
    assert is_one_sentence(process) and "already exists: choose another --out" in process.stderr
    assert (tmp_path / "run" / "index.html").read_text() == "mine"


def test_failed_run_says_why_and_leaves_nothing(demo_folders, tmp_path):
    shutil.copytree(demo_folders[0] / "sad", tmp_path / "videos" / "sad")
    out = tmp_path / "reports" / "run"
    folders = videos_of((tmp_path / "videos", tmp_path / "videosTest"))
    process = run_gaitlib("report", *folders, "--out", out, *options(**TINY))
    assert process.returncode == 1
    assert is_one_sentence(process), process.stderr
    assert "01_preprocessing failed: " in process.stderr and "'sad'" in process.stderr
    assert list(out.parent.iterdir()) == []


@pytest.fixture(scope="module")
def prepared_run(demo_folders, tiny_config, tmp_path_factory) -> Path:
    """Return a run folder as the first notebook leaves it."""
    folder = tmp_path_factory.mktemp("papermill")
    prepare_data(*demo_folders, tiny_config).save(folder)
    return folder


@pytest.mark.parametrize(("epochs", "is_fine"), [("1", True), ("many", False)])
def test_plain_papermill_runs_a_notebook(prepared_run, tmp_path, epochs, is_fine):
    notebook = Path(__file__).parents[1] / "notebooks" / "03_training.ipynb"
    settings = ("-p", "epochs", epochs, "-p", "model", "cnn_lstm", "-p", "run_dir", prepared_run)
    process = run_python("-m", "papermill", notebook, tmp_path / "out.ipynb", *settings, MPLBACKEND="Agg")
    assert (process.returncode == 0) is is_fine, process.stderr
    if is_fine:
        assert json.loads((prepared_run / "config.json").read_text())["epochs"] == 1
        assert (prepared_run / "model.keras").exists()
        assert "data:image/png" in (tmp_path / "out.ipynb").read_text()
    else:
        assert "Setting 'epochs' is 'many'" in process.stderr


@pytest.mark.parametrize("value", [7, None, ["a"], "", " "])
@pytest.mark.parametrize("name", ["run_dir", "videos"])
def test_step_takes_names_of_folders_as_text_only(tmp_path, name, value):
    """As papermill passes them: ``-p run_dir 007`` becomes the number 7."""
    names = {"run_dir": str(tmp_path / "run"), "videos": "videos"} | {name: value}
    with pytest.raises(InputError, match=rf"Parameter '{name}' is "):
        Step("01_preprocessing", {**names, "__annotations__": dict.fromkeys(names, str)})
    assert not (tmp_path / "run").exists()


def test_step_takes_what_the_parameters_cell_annotates(tmp_path):
    names = {"run_dir": str(tmp_path), "epochs": 7}
    step = Step("03_training", {**names, "seed": "not annotated", "__annotations__": dict.fromkeys(names)})
    assert step.config.epochs == 7 and read_json(tmp_path / "config.json")["epochs"] == 7
    with pytest.raises(InputError, match="01_preprocessing first"):
        step.data()


def test_a_finished_notebook_names_its_folder_whatever_its_letters():
    """Papermill spells parameters in ASCII, outputs hold the path as it is."""
    paths = PureWindowsPath(r"C:\ü\.a_1.gaitlib.tmp\run"), PurePosixPath("/ü x/.a_1.gaitlib.tmp/run")
    for path in paths:
        out = path.parent.with_name("run")
        lines = [json.dumps([f"run_dir = {str(one)!a}", f"Run folder: {one}"]) for one in (path, out)]
        assert notebooks._without_aside(lines[0]) == lines[1]
