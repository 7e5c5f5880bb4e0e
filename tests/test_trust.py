"""Model files that somebody else made or changed: opened only on the user's word, and never run."""

import json
import os
import shutil
import zipfile
from pathlib import Path

import h5py
import pytest
from commands import is_one_sentence, run_gaitlib

from gaitlib.backend import load_keras
from gaitlib.config import InputError
from gaitlib.files import read_json
from gaitlib.models import MODEL_NAMES, build_model
from gaitlib.predict import predict_files
from gaitlib.saving import load_model, model_card, save_model
from gaitlib.steps import evaluate_run
from gaitlib.trust import DIGESTS_NAME
from gaitlib.video import file_digest
from gaitlib.video_page import explain_video

EMOTIONS = ["angry", "happy", "neutral", "sad"]
each_format = pytest.mark.parametrize("name", ["model.keras", "model.h5"])


@pytest.fixture(scope="module")
def saved(tmp_path_factory, tiny_config) -> Path:
    """Return the folder of a run with a model that has learnt nothing."""
    folder = tmp_path_factory.mktemp("saved")
    model = build_model("cnn_lstm", tiny_config.num_frames, tiny_config.frame_size, 1, 4)
    save_model(model, folder, model_card(tiny_config, EMOTIONS, is_demo=True))
    return folder


def rewrite(source: Path, folder: Path, change) -> Path:
    """Copy a model file with what `change` makes of its architecture and its card, two objects."""
    target = folder / source.name
    if source.suffix == ".h5":
        shutil.copy(source, target)
        with h5py.File(target, "a") as file:
            texts = (json.loads(file.attrs[name]) for name in ("model_config", "gaitlib.json"))
            architecture, card = change(*texts)
            file.attrs["model_config"], file.attrs["gaitlib.json"] = (
                json.dumps(architecture),
                json.dumps(card),
            )
        return target
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        texts = (json.loads(old.read(name)) for name in ("config.json", "gaitlib.json"))
        changed = dict(zip(("config.json", "gaitlib.json"), change(*texts), strict=True))
        for entry in old.namelist():
            new.writestr(entry, json.dumps(changed[entry]) if entry in changed else old.read(entry))
    return target


def with_payload(source: Path, folder: Path, marker: Path) -> Path:
    """Save a model with a Lambda layer that makes a file when it is built or called, with a true card."""
    keras = load_keras()
    folder.mkdir()
    clip = keras.Input((8, 32, 32, 1))
    code = eval(f"lambda clip: (__import__('pathlib').Path({str(marker)!r}).touch(), clip)[1]")
    whole = keras.layers.Lambda(code)(clip)
    answer = keras.layers.Dense(4, activation="softmax")(keras.layers.Flatten()(whole))
    keras.Model(clip, answer).save(folder / source.name)
    marker.unlink(missing_ok=True)
    _, card = load_model(source)
    if source.suffix == ".h5":
        with h5py.File(folder / source.name, "a") as file:
            file.attrs["gaitlib.json"] = json.dumps(card)
    else:
        with zipfile.ZipFile(folder / source.name, "a") as archive:
            archive.writestr("gaitlib.json", json.dumps(card))
    return folder / source.name


@each_format
def test_code_in_a_model_file_is_refused_and_not_run(saved, tmp_path, name, recwarn):
    marker = tmp_path / "code was run"
    path = with_payload(saved / name, tmp_path / "evil", marker)
    with pytest.raises(InputError, match=r"\(it holds Lambda, which could run code\)") as error:
        load_model(path, trust_model=True)
    assert str(error.value).isprintable()
    assert not marker.exists()
    # The payload is live: whoever opens it without care runs it.
    load_keras().saving.load_model(path, compile=False, safe_mode=False)
    assert marker.exists()


PLANTS = {
    "Lambda": {"class_name": "Lambda", "config": {"name": "x", "function": "tanh"}},
    "__lambda__": {"class_name": "__lambda__", "config": {"value": "4wAAAAA="}},
    "function": {"module": "posix", "class_name": "function", "config": "system", "registered_name": None},
    "Popen": {"module": "subprocess", "class_name": "Popen", "config": {"args": "touch x"}},
    "get_file": {"module": "keras.utils", "class_name": "get_file", "config": {}},
    "TFSMLayer": {"module": "keras.layers", "class_name": "TFSMLayer", "config": {"filepath": "x"}},
    "StringLookup": {"class_name": "StringLookup", "config": {"vocabulary": "/etc/passwd"}},
    "Custom>Dense": {"class_name": "Dense", "config": {"units": 4}, "registered_name": "Custom>Dense"},
}


@each_format
@pytest.mark.parametrize("plant", PLANTS)
@pytest.mark.parametrize("place", ["layer", "inside a layer", "at the top"])
def test_no_part_but_plain_layers_anywhere(saved, tmp_path, name, plant, place):
    def change(architecture, card):
        layers = architecture["config"]["layers"]
        if place == "layer":
            layers.append({**PLANTS[plant], "name": "x", "inbound_nodes": []})
        elif place == "inside a layer":
            layers[-1]["config"]["kernel_initializer"] = PLANTS[plant]
        else:
            architecture["build_config"] = [PLANTS[plant]]
        return architecture, card

    path = rewrite(saved / name, tmp_path, change)
    with pytest.raises(InputError, match=f"it holds {plant}, which could run code"):
        load_model(path, trust_model=True)


@pytest.mark.parametrize("builder", MODEL_NAMES)
def test_every_model_of_the_project_is_let_through(tmp_path, tiny_config, builder):
    model = build_model(builder, tiny_config.num_frames, tiny_config.frame_size, 1, 4)
    save_model(model, tmp_path, model_card(tiny_config, EMOTIONS, is_demo=True))
    for name in ("model.keras", "model.h5"):
        assert load_model(tmp_path / name)[0].output_shape == (None, 4)


MISFITS = {
    "takes clips of shape": lambda card: {**card, "config": {**card["config"], "num_frames": 9}},
    "gives answers of shape": lambda card: {**card, "emotions": EMOTIONS[:3]},
    "names the emotions": lambda card: {**card, "emotions": ["sad", "sad", "happy", "angry"]},
    "Unknown setting 'evil'": lambda card: {**card, "config": {"evil": 1}},
    "Setting 'epochs' is 'x'": lambda card: {**card, "config": {**card["config"], "epochs": "x"}},
    "measure of novelty": lambda card: {**card, "novelty": {"mean": [0.0] * 7}},
    "'config'": lambda card: {"emotions": EMOTIONS},
    "what it was trained on": lambda card: {**card, "is_demo": "<b>"},
}


@each_format
@pytest.mark.parametrize("fault", MISFITS)
def test_card_that_does_not_fit_its_network(saved, tmp_path, name, fault):
    path = rewrite(saved / name, tmp_path, lambda architecture, card: (architecture, MISFITS[fault](card)))
    with pytest.raises(InputError, match="cannot be used as a model") as error:
        load_model(path, trust_model=True)
    assert fault in str(error.value)
    assert str(error.value).isprintable()


def test_run_records_the_digests_of_its_models(trained):
    digests = read_json(trained.folder / DIGESTS_NAME)
    assert digests == {name: [file_digest(trained.folder / name)] for name in ("model.keras", "model.h5")}


@each_format
@pytest.mark.parametrize("trust_model", [False, True])
def test_changed_model_of_a_run_is_refused(saved, tmp_path, name, trust_model):
    shutil.copytree(saved, tmp_path / "run")
    rewrite(saved / name, tmp_path / "run", lambda architecture, card: (architecture, card))
    with pytest.raises(InputError, match="is not the file that its run saved"):
        load_model(tmp_path / "run" / name, trust_model)


def test_moved_run_still_vouches_and_a_second_save_too(saved, tmp_path, tiny_config):
    shutil.copytree(saved, tmp_path / "run")
    _, card = load_model(tmp_path / "run" / "model.keras")
    model = build_model("cnn_lstm", tiny_config.num_frames, tiny_config.frame_size, 1, 4)
    save_model(model, tmp_path / "run", card)
    load_model(tmp_path / "run" / "model.h5")
    assert len(read_json(tmp_path / "run" / DIGESTS_NAME)["model.keras"]) == 2


@pytest.mark.parametrize("content", ["{", "[]", '{"model.keras": "abc"}'])
def test_damaged_record_of_digests_is_said(saved, tmp_path, content):
    shutil.copy(saved / "model.keras", tmp_path)
    (tmp_path / DIGESTS_NAME).write_text(content)
    with pytest.raises(InputError, match=DIGESTS_NAME):
        load_model(tmp_path / "model.keras")


@pytest.fixture()
def stray(saved, tmp_path) -> Path:
    """Return a model file that has left its run."""
    return Path(shutil.copy(saved / "model.keras", tmp_path / "stray.keras"))


@pytest.mark.parametrize("command", ["predict", "evaluate", "explain"])
def test_model_from_elsewhere_needs_the_flag(stray, demo_folders, command):
    video = demo_folders[1] / "sad" / "walker05_1.mp4"
    given = ("--videos-test", demo_folders[1]) if command == "evaluate" else (video,)
    process = run_gaitlib(command, *given, "--model", stray)
    assert process.returncode == 1
    assert is_one_sentence(process)
    assert "comes from elsewhere" in process.stderr
    assert "--trust-model" in process.stderr


def test_with_the_flag_it_is_opened_after_a_warning(stray, demo_video, demo_folders, tmp_path, capsys):
    process = run_gaitlib("predict", demo_video, "--model", stray, "--trust-model")
    assert process.returncode == 0, process.stderr
    assert process.stderr.startswith("Warning: ")
    assert "no run beside it vouches for it" in process.stderr
    assert "walk.mp4" in predict_files([demo_video], stray, trust_model=True)
    explain_video(demo_video, stray, tmp_path / "why.html", trust_model=True)
    with pytest.raises(InputError, match=r"holds no data\.json, which says who the model was trained on"):
        evaluate_run(stray, demo_folders[1], None, None, {}, trust_model=True)
    assert capsys.readouterr().err.count("Warning: ") == 3


def test_other_model_in_a_run_folder_is_evaluated_only_if_its_emotions_fit(
    trained, demo_folders, tmp_path, tiny_config
):
    run = tmp_path / "run"
    shutil.copytree(trained.folder, run)
    for name, emotions in (("other", ["a", "b", "c", "d"]), ("fitting", EMOTIONS)):
        model = build_model("cnn_lstm", tiny_config.num_frames, tiny_config.frame_size, 1, 4)
        save_model(model, tmp_path / name, model_card(tiny_config, emotions, is_demo=True))
        os.replace(tmp_path / name / "model.keras", run / f"{name}.keras")
    with pytest.raises(InputError, match="knows the emotions a, b, c, d, but the run in its folder"):
        evaluate_run(run / "other.keras", demo_folders[1], None, None, {}, trust_model=True)
    text = evaluate_run(run / "fitting.keras", demo_folders[1], None, None, {}, trust_model=True)
    assert "Accuracy on 8 videos" in text


def test_emotion_that_the_model_does_not_know_is_refused(trained, demo_folders, tmp_path):
    shutil.copytree(demo_folders[1] / "sad", tmp_path / "test" / "proud")
    with pytest.raises(InputError, match="shows 'proud', which no training video shows"):
        evaluate_run(trained.folder / "model.keras", tmp_path / "test", None, None, {})
