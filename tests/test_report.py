"""The whole job: the run folder of the contract, and what happens when something fails."""

import csv
import json
import shutil
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from commands import PROJECT, is_one_sentence, run_gaitlib, run_python
from conftest import EVIL_EMOTION, EVIL_FILE

from gaitlib.config import InputError
from gaitlib.files import read_json, write_json
from gaitlib.notebook import Step
from gaitlib.preparation import prepare_data
from gaitlib.report import NOTEBOOKS
from gaitlib.run_list import write_index

PAGES = ["index.html", *(f"{name}.html" for name in NOTEBOOKS)]


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
        """Return the attributes of all elements of these kinds."""
        return [attributes for tag, attributes in self.found if tag in tags]


@pytest.fixture(params=["demo_report", "user_report"])
def any_report(request):
    """Return each of the two reports in turn."""
    return request.getfixturevalue(request.param)


def test_run_folder_holds_what_the_contract_names(any_report):
    names = {path.name for path in any_report.folder.iterdir()}
    expected = {"model.keras", "model.h5", "config.json", "results.json", "predictions.csv", "skipped.csv"}
    expected |= {*PAGES, *(f"{name}.ipynb" for name in NOTEBOOKS)}
    assert names >= expected
    assert len(list((any_report.folder / "figures").glob("*.png"))) >= 8


def test_nothing_is_left_beside_the_run(any_report):
    reports = any_report.folder.parent
    assert {path.name for path in reports.iterdir()} == {"run", "index.html"}
    assert not [path for path in any_report.folder.rglob("*") if path.name.startswith(".")]


def test_console_says_where_the_report_is(any_report):
    assert any_report.stdout.splitlines()[-1] == f"Report: {any_report.folder / 'index.html'}"


def test_console_says_that_the_walkers_are_synthetic(demo_report):
    assert "synthetic" in demo_report.stdout.casefold()


def test_results_have_the_keys_of_the_contract(any_report):
    results = read_json(any_report.folder / "results.json")
    assert results.keys() >= {
        "schema_version", "config", "versions", "git_commit", "data", "duration_seconds", "test",
    }  # fmt: skip
    test = results["test"]
    assert test.keys() >= {
        "accuracy", "accuracy_ci95", "balanced_accuracy", "macro_precision", "macro_recall", "macro_f1",
        "per_class", "confusion_matrix", "labels", "num_videos", "num_walkers", "baselines",
    }  # fmt: skip
    assert test["baselines"].keys() >= {"chance", "majority", "speed_only", "box_forest"}
    for entry in (test, *test["baselines"].values()):
        low, high = entry["accuracy_ci95"]
        assert 0 <= low <= entry["accuracy"] <= high <= 1
    assert results["data"].keys() >= {"fingerprint", "is_demo"}


def test_every_step_has_its_time(any_report):
    seconds = read_json(any_report.folder / "results.json")["duration_seconds"]
    assert seconds.keys() >= set(NOTEBOOKS)
    assert all(value > 0 for value in seconds.values())


def test_config_is_what_was_asked_for(demo_report):
    config = read_json(demo_report.folder / "config.json")
    assert config == read_json(demo_report.folder / "results.json")["config"]
    assert (config["demo_walkers"], config["epochs"], config["max_clips_per_video"]) == (4, 2, 2)


def test_predictions_agree_with_the_results(any_report):
    table = pd.read_csv(any_report.folder / "predictions.csv", keep_default_na=False)
    test = read_json(any_report.folder / "results.json")["test"]
    labels = test["labels"]
    columns = ["video", "walker", "emotion", "predicted", "confidence", "num_clips"]
    assert table.columns.tolist() == columns + [f"p_{label}" for label in labels]
    probabilities = table[[f"p_{label}" for label in labels]]
    assert probabilities.sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-6)
    assert table["confidence"].to_numpy() == pytest.approx(probabilities.max(axis=1).to_numpy())
    assert len(table) == test["num_videos"]
    assert table["walker"].nunique() == test["num_walkers"]
    assert (table["emotion"] == table["predicted"]).mean() == pytest.approx(test["accuracy"])
    counts = pd.crosstab(table["emotion"], table["predicted"])
    counts = counts.reindex(index=labels, columns=labels, fill_value=0)
    assert counts.to_numpy().tolist() == test["confusion_matrix"]


def test_demo_is_marked_on_every_page(demo_report):
    assert read_json(demo_report.folder / "results.json")["data"]["is_demo"] is True
    for page in PAGES:
        assert "Synthetic walkers: the people in these videos were drawn" in (
            demo_report.folder / page
        ).read_text(encoding="utf-8")


def test_filmed_videos_are_not_called_synthetic(user_report):
    assert read_json(user_report.folder / "results.json")["data"]["is_demo"] is False
    for page in PAGES:
        assert "drawn by a program" not in (user_report.folder / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_page_needs_nothing_from_outside(any_report, page):
    elements = Elements(any_report.folder / page)
    for attributes in elements.named("script", "link", "img", "iframe", "object", "source", "video"):
        place = attributes.get("src") or attributes.get("href") or ""
        assert place.startswith("data:") or (any_report.folder / place).exists()
    assert "@import" not in elements.text
    # The only script is the one that sorts tables.
    assert elements.named("script") == [{}]
    text = (any_report.folder / page).read_text(encoding="utf-8")
    assert text.count("<script") == 1
    assert (PROJECT / "gaitlib" / "templates" / "page.js").read_text() in text


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(any_report, page):
    for attributes in Elements(any_report.folder / page).named("a"):
        place = attributes.get("href") or ""
        assert place.startswith(("#", "https://")) or (any_report.folder / place).exists(), place


@pytest.mark.parametrize("page", PAGES)
def test_every_picture_is_described(any_report, page):
    pictures = Elements(any_report.folder / page).named("img")
    if page != "05_results.html":
        assert pictures
    for attributes in pictures:
        assert len(attributes.get("alt") or "") > 20


def test_results_page_hides_the_code_and_the_lessons_show_it(any_report):
    assert "import " not in Elements(any_report.folder / "index.html").text
    assert "import " in Elements(any_report.folder / "03_training.html").text


def test_headline_stands_on_the_first_page(any_report):
    test = read_json(any_report.folder / "results.json")["test"]
    low, high = test["accuracy_ci95"]
    text = Elements(any_report.folder / "index.html").text
    assert f"accuracy {test['accuracy']:.1%} (95 % interval {low:.1%} to {high:.1%})" in text


def test_list_of_runs_names_this_run_with_its_score(any_report):
    elements = Elements(any_report.folder.parent / "index.html")
    assert {"href": "run/index.html"} in elements.named("a")
    accuracy = read_json(any_report.folder / "results.json")["test"]["accuracy"]
    assert f"{accuracy:.1%}" in elements.text


def test_list_of_runs_has_the_newest_first(demo_report, tmp_path):
    results = read_json(demo_report.folder / "results.json")
    for name, day in {"b": "2026-01-02", "c": "2026-03-01", "a": "2025-12-31"}.items():
        made = {**results, "created": f"{day}T00:00:00+00:00"}
        write_json(tmp_path / name / "results.json", made)
        (tmp_path / name / "index.html").touch()
    write_json(tmp_path / "unfinished" / "results.json", results)
    write_index(tmp_path)
    links = [attributes["href"] for attributes in Elements(tmp_path / "index.html").named("a")]
    assert links == ["c/index.html", "b/index.html", "a/index.html"]


def test_list_of_runs_takes_no_ceiling_for_a_baseline(demo_report, tmp_path):
    results = read_json(demo_report.folder / "results.json")
    results["test"]["baselines"] = {
        name: {"accuracy": accuracy} for name, accuracy in [("gait_forest", 0.5), ("oracle", 0.9)]
    }
    write_json(tmp_path / "run" / "results.json", results)
    (tmp_path / "run" / "index.html").touch()
    write_index(tmp_path)
    text = Elements(tmp_path / "index.html").text
    assert "gait_forest 50.0%" in text and "oracle" not in text


def test_executed_notebooks_name_the_final_folder(any_report):
    for name in NOTEBOOKS:
        text = (any_report.folder / f"{name}.ipynb").read_text(encoding="utf-8")
        assert ".gaitlib.tmp" not in text
        assert str(any_report.folder) in text


def test_executed_notebooks_have_no_errors_and_all_outputs(any_report):
    for name in NOTEBOOKS:
        cells = nbformat.read(any_report.folder / f"{name}.ipynb", as_version=4).cells
        code = [cell for cell in cells if cell.cell_type == "code"]
        assert all(cell.execution_count for cell in code)
        assert not [output for cell in code for output in cell.outputs if output.output_type == "error"]


def test_notebooks_print_no_warnings(any_report):
    for name in NOTEBOOKS:
        cells = nbformat.read(any_report.folder / f"{name}.ipynb", as_version=4).cells
        outputs = [output for cell in cells for output in cell.get("outputs", [])]
        text = "".join(output.text for output in outputs if output.output_type == "stream")
        assert "Warning" not in text, f"{name}: {text[:2000]}"


@pytest.mark.parametrize("page", PAGES)
def test_planted_markup_stays_text(user_report, page):
    elements = Elements(user_report.folder / page)
    assert "x" not in [attributes.get("src") for attributes in elements.named("img")]
    assert elements.named("script", "b") == [{}]
    for _, attributes in elements.found:
        assert not [name for name in attributes if name.startswith("on")]


def test_planted_names_are_shown_as_they_are(user_report):
    text = Elements(user_report.folder / "index.html").text
    assert EVIL_EMOTION in text
    assert EVIL_FILE in text
    assert "=<img src=x onerror=alert(" in text


@pytest.mark.parametrize("name", ["predictions.csv", "skipped.csv"])
def test_tables_hold_no_formula(user_report, name):
    with (user_report.folder / name).open(newline="", encoding="utf-8") as stream:
        rows = list(csv.reader(stream))
    assert len(rows) > 1
    for row in rows[1:]:
        assert not [cell for cell in row if cell.startswith(("=", "+", "-", "@", "\t"))]


def test_broken_files_are_listed_with_reasons(user_report):
    table = pd.read_csv(user_report.folder / "skipped.csv")
    assert table.columns.tolist() == ["video", "reason"]
    reasons = dict(zip(table["video"], table["reason"], strict=True))
    assert reasons.keys() == {"empty.mp4", EVIL_FILE}
    assert all(len(reason) > 15 for reason in reasons.values())


def test_without_test_folder_whole_walkers_are_held_out(user_report):
    videos = pd.DataFrame(read_json(user_report.folder / "data.json")["videos"])
    assert set(videos["split"]) == {"train", "validation", "test"}
    assert (videos.groupby("walker")["split"].nunique() == 1).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("-p", "epoch=3"), ("'epoch'", "'epochs'")),
        (("-p", "epochs=many"), ("'epochs'", "'many'")),
        (("-p", "epochs=0"), ("'epochs'", "greater")),
        (("--profile", "fast"), ("'fast'", "quick, standard")),
        # Names become code in a notebook, values must be data.
        (("-p", "x;import os;os.abort();y=1"), ("Unknown setting 'x;import os;os.abort();y'",)),
        (("-p", "run_dir=/etc"), ("Unknown setting 'run_dir'",)),
    ],
)
def test_wrong_parameter_stops_before_anything_runs(tmp_path, options, words):
    process = run_gaitlib("report", "--out", tmp_path / "reports" / "run", *options)
    assert process.returncode == 2
    assert is_one_sentence(process)
    assert all(word in process.stderr for word in words)
    assert process.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_existing_run_is_refused_and_untouched(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "index.html").write_text("mine")
    process = run_gaitlib("report", "--out", tmp_path / "run", "-p", "epochs=1")
    assert process.returncode == 1
    assert is_one_sentence(process)
    assert "already exists: choose another --out" in process.stderr
    assert [path.name for path in tmp_path.rglob("*")] == ["run", "index.html"]
    assert (tmp_path / "run" / "index.html").read_text() == "mine"


def test_failed_run_leaves_notebook_and_error_but_no_report(demo_folders, tmp_path):
    shutil.copytree(demo_folders[0] / "sad", tmp_path / "videos" / "sad")
    out = tmp_path / "reports" / "run"
    process = run_gaitlib(
        *("report", "--videos", tmp_path / "videos", "--videos-test", tmp_path / "none", "--out", out),
        *("-p", "num_frames=8", "-p", "frame_size=32"),
    )
    assert process.returncode == 1
    assert is_one_sentence(process), process.stderr
    assert "01_preprocessing failed: The training videos show only 'sad'" in process.stderr
    cells = nbformat.read(out / "01_preprocessing.ipynb", as_version=4).cells
    assert any(f"run_dir = {str(out)!r}" in cell.source.replace('"', "'") for cell in cells)
    assert f"{out.parent}/." not in "".join(cell.source for cell in cells)  # no hidden folder, which is gone
    assert (out / "error.txt").read_text().splitlines()[1] in process.stderr
    assert not list(out.glob("*.html"))
    assert [path.name for path in out.parent.iterdir()] == ["run"]


@pytest.fixture(scope="module")
def papermill_dir(demo_folders, tiny_config, tmp_path_factory) -> Path:
    """Return a run folder as the first notebook leaves it."""
    folder = tmp_path_factory.mktemp("papermill")
    prepare_data(*demo_folders, tiny_config).save(folder)
    write_json(folder / "config.json", tiny_config.model_dump())
    return folder


def test_plain_papermill_trains(papermill_dir, tmp_path):
    process = run_python(
        *("-m", "papermill", PROJECT / "notebooks" / "03_training.ipynb", tmp_path / "out.ipynb"),
        *("-p", "epochs", 1, "-p", "run_dir", papermill_dir),
        MPLBACKEND="Agg",
    )
    assert process.returncode == 0, process.stderr
    assert len(pd.read_csv(papermill_dir / "history.csv")) == 1
    assert (papermill_dir / "model.keras").exists()
    assert json.loads((papermill_dir / "config.json").read_text())["epochs"] == 1
    cells = nbformat.read(tmp_path / "out.ipynb", as_version=4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert pictures, "figures must not depend on the user's MPLBACKEND"


@pytest.mark.parametrize("value", [7, None, ["a"], "", " "])
@pytest.mark.parametrize("name", ["run_dir", "videos"])
def test_step_takes_names_of_folders_as_text_only(tmp_path, name, value):
    """As papermill passes them: ``-p run_dir 007`` becomes the number 7."""
    with pytest.raises(InputError, match=rf"Parameter '{name}' is "):
        if name == "run_dir":
            Step("01_preprocessing", value)
        Step("01_preprocessing", str(tmp_path)).prepare(value, "videosTest")


@pytest.mark.parametrize("settings", [{"x;import os;y": 1}, {"epochs": "1); import os"}, {"seed": "007"}])
def test_step_takes_settings_as_data_only(tmp_path, settings):
    with pytest.raises(InputError, match=r"etting '(x;import os;y|epochs|seed)'"):
        Step("03_training", str(tmp_path / "run"), **settings)
    assert not (tmp_path / "run").exists()


def test_plain_papermill_refuses_a_wrong_type(papermill_dir, tmp_path):
    before = (papermill_dir / "config.json").read_text()
    process = run_python(
        *("-m", "papermill", PROJECT / "notebooks" / "03_training.ipynb", tmp_path / "out.ipynb"),
        *("-p", "epochs", "many", "-p", "run_dir", papermill_dir),
    )
    assert process.returncode != 0
    assert "Setting 'epochs' is 'many'" in process.stderr
    assert (papermill_dir / "config.json").read_text() == before
