"""Notebook 06: one video, step by step, to a verdict or the reason for none."""

import os
from pathlib import Path

import nbformat
import numpy as np
import pytest
from commands import PROJECT, run_python
from media import write_video

from gaitlib.clips import prepare_video
from gaitlib.config import InputError
from gaitlib.files import read_json
from gaitlib.models import build_model
from gaitlib.saving import model_card, save_model
from gaitlib.siamese import make_relative
from gaitlib.walkthrough import (
    choose_companions,
    choose_model,
    choose_video,
    describe_novelty,
    plot_track,
)

NOTEBOOK = PROJECT / "notebooks" / "06_predict_your_video.ipynb"


@pytest.fixture(scope="module")
def project(tmp_path_factory, tiny_config) -> Path:
    """Return a project that holds nothing but one run, whose model has learnt nothing."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "notebooks").mkdir()
    model = build_model("cnn_lstm", tiny_config.num_frames, tiny_config.frame_size, 1, 4)
    card = model_card(tiny_config, ("angry", "happy", "neutral", "sad"), is_demo=True)
    save_model(model, folder / "reports" / "run", card)
    return folder


def run_notebook(project: Path, **parameters: object) -> str:
    """Run the notebook as papermill and JupyterLab do; return all that it printed."""
    options = [part for name, value in parameters.items() for part in ("-p", name, value)]
    out = project / "out.ipynb"
    process = run_python("-m", "papermill", NOTEBOOK, out, "--cwd", project / "notebooks", *options)
    assert process.returncode == 0, process.stderr
    cells = nbformat.read(out, as_version=4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output.get("name") == "stderr"]
    return "".join(output.text for output in outputs if output.output_type == "stream")


def test_without_parameters_the_newest_run_reads_a_synthetic_walker(project):
    text = run_notebook(project)
    assert f"Model: {project / 'reports' / 'run' / 'model.keras'} (none was named)" in text
    assert "none was named: a synthetic walker" in text
    assert "The model reads the walk in example_" in text or "unlike any in training" in text
    run_dir = project / "reports" / "notebook"
    assert len(list((run_dir / "predicted").glob("*.mp4"))) == 1
    assert len(list((run_dir / "figures").glob("predicted_*.png"))) == 4
    assert read_json(run_dir / "steps.json")["06_predict_your_video"] > 0


@pytest.mark.parametrize("way", ["reference", "walker-mean"])
def test_model_that_compares_reads_a_synthetic_walker_too(way, tiny_config, tmp_path):
    (tmp_path / "notebooks").mkdir()
    config = tiny_config.model_copy(update={"relative_to": way})
    network = build_model("cnn_lstm", config.num_frames, config.frame_size, 1, 4)
    card = model_card(config, ("angry", "happy", "neutral", "sad"), is_demo=True)
    save_model(make_relative(network), tmp_path / "reports" / "run", card)
    text = run_notebook(tmp_path)
    assert "The model reads the walk in example_" in text or "unlike any in training" in text


def test_model_that_compares_asks_for_what_it_needs_by_its_parameter(demo_video, tiny_config):
    for way, name in (("reference", "reference"), ("walker-mean", "others")):
        config = tiny_config.model_copy(update={"relative_to": way})
        with pytest.raises(InputError, match=f"in the parameter '{name}'"):
            choose_companions(demo_video, config, "", "", is_drawn=False)


def test_video_without_a_walk_ends_with_the_reason(project, tmp_path):
    draw = np.random.default_rng(0)
    still = draw.integers(0, 255, (1, 120, 160), np.uint8)
    name = "<b>still.mp4"
    video = write_video(
        tmp_path / name, [k / 15 for k in range(40)], size=(160, 120), pictures=list(still) * 40
    )
    text = run_notebook(project, video=video, model_file=project / "reports" / "run" / "model.h5")
    assert f"No verdict on {name}: {name}: nobody was found: the picture is frozen" in text
    assert "0 clips." in text and "No clip was judged." in text


def test_named_files_win_and_a_missing_model_is_said(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="There is no trained model yet"):
        choose_model("", tmp_path / "reports" / "notebook")
    runs = [tmp_path / "reports" / name / "model.keras" for name in ("new", "old", "notebook")]
    for age, path in enumerate(runs[:2]):
        path.parent.mkdir(parents=True)
        path.touch()
        os.utime(path, (1e9 - age, 1e9 - age))
    assert choose_model("", runs[2].parent) == runs[0]
    runs[2].parent.mkdir()
    runs[2].touch()
    assert choose_model("", runs[2].parent) == runs[2]
    assert choose_model("a/b.h5", tmp_path) == tmp_path / "a" / "b.h5"
    assert choose_video("walk.mp4") == tmp_path / "walk.mp4"


def test_novelty_in_words(demo_video, tiny_config):
    novelty = {"threshold": 2.0}
    assert "could not be checked" in describe_novelty(None, novelty)
    assert "unlike any in training: distance 2.5, limit 2.0" in describe_novelty(2.5, novelty)
    assert "like those in training" in describe_novelty(1.5, novelty)
    figure = plot_track(prepare_video(demo_video, tiny_config))
    assert "% of it is walking in full view" in figure.get_label()
