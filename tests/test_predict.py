"""One video to one verdict: read, warned, abstained or refused, and all that is written of it."""

import json
import os
import re
import shutil
from pathlib import Path

import av
import cv2
import numpy as np
import pandas as pd
import pytest
from commands import is_one_sentence, run_here

from gaitlib.clips import prepare_video
from gaitlib.demo import paint_frames, sample_truth
from gaitlib.errors import InputError
from gaitlib.explain import clip_saliency
from gaitlib.files import remember, spelled
from gaitlib.models import load_keras, load_trained
from gaitlib.predict import Verdict, _check_speed, judge_files, judge_video, walks_backwards
from gaitlib.predict.writing import write_annotated, write_keypoints, write_page, write_verdicts
from gaitlib.senses import find_walks, fit_senses, measure_walks, senses_of
from gaitlib.video import VideoReader, write_film

STATUSES = {"ok", "warned", "abstained", "refused"}


@pytest.fixture(scope="session")
def model(trained):
    return load_trained(trained.folder)


@pytest.fixture()
def at_speed(demo_video, tmp_path):
    """Return a function that plays the demo video at another speed."""

    def played(factor: float) -> Path:
        with av.open(str(demo_video)) as container:
            rate_hz = float(container.streams.video[0].average_rate)
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        write_film(path := tmp_path / f"at_{factor}.mp4", rate_hz * factor, frames)
        return path

    return played


def test_every_file_gets_an_entry_in_order(model, demo_video, tmp_path):
    text, empty = tmp_path / "a.mp4", tmp_path / "film.mp4.d"
    text.write_text("this is no video")
    empty.mkdir()
    odd = demo_video.rename(tmp_path / os.fsdecode(b"odd\xff.mp4"))  # as unpacked from a foreign archive
    verdicts = judge_files([text, odd, tmp_path / "none.mp4", empty], model)
    assert [Path(one.video).name for one in verdicts] == ["a.mp4", "odd\ufffd.mp4", "none.mp4", "film.mp4.d"]
    assert [verdict.status for verdict in verdicts][::2] == ["refused", "refused"]
    assert verdicts[3].status == "refused"
    assert all(verdict.notes for verdict in verdicts if verdict.status != "ok")
    write_annotated(verdicts, tmp_path / "copies")
    assert [path.name[:3] for path in (tmp_path / "copies").iterdir()] == ["002"]


def test_verdict_of_a_walk_holds_together(model, demo_video):
    verdict = judge_video(demo_video, model)
    assert verdict.status in {"ok", "warned", "abstained"}
    assert sum(verdict.probabilities.values()) == pytest.approx(1)
    assert set(verdict.probabilities) == {"angry", "happy", "neutral", "sad"}
    assert verdict.timeline["start_seconds"].is_monotonic_increasing
    assert 0.8 < verdict.seconds_used < 3 and len(verdict.gait) >= 1


def test_mirror_image_gets_the_same_word(model, demo_video, tmp_path):
    (chunk,) = VideoReader(demo_video, 30.0)
    write_film(path := tmp_path / "mirrored.mp4", 30.0, chunk.frames[:, :, ::-1])
    one, other = (judge_video(each, model) for each in (demo_video, path))
    assert one.emotion == other.emotion
    assert max(abs(one.probabilities[name] - other.probabilities[name]) for name in one.probabilities) < 0.25


@pytest.mark.parametrize(("factor", "word"), [(0.4, "slowed down"), (2.2, "sped up")])
def test_film_at_another_speed_gets_a_note_or_no_verdict(model, at_speed, factor, word):
    verdict = judge_video(at_speed(factor), model)
    assert verdict.status in {"abstained", "warned"}
    doubts = (word, "slowed down or sped up", "could not be checked")
    assert any(doubt in note for note in verdict.notes for doubt in doubts)


def test_references_of_a_model_that_compares_nothing_are_refused(model, demo_video):
    with pytest.raises(InputError, match="compares no walks"):
        judge_files([demo_video], model, [demo_video])
    config = model.config.model_copy(update={"relative_to": "reference"})
    comparing = model.model_copy(update={"config": config})
    with pytest.raises(InputError, match="compares with one walk"):
        judge_files([demo_video], comparing, [demo_video, demo_video])
    chosen = model.model_copy(update={"name": "gait_alone"})  # by a run that compares
    assert judge_files([demo_video.with_name("gone.mp4")], chosen, [demo_video])[0].status == "refused"


def test_a_film_slowed_down_to_a_quarter_gets_no_verdict(model, tmp_path):
    row = sample_truth(range(1, 2), 1, seconds=(3.0, 3.0), seed=9).query("emotion == 'neutral'").iloc[0]
    write_film(tmp_path / "slow.mp4", float(row["frame_rate_hz"]) / 4, list(paint_frames(row)))
    verdict = judge_video(tmp_path / "slow.mp4", model)
    assert verdict.emotion is None and any("slowed down" in note for note in verdict.notes)


def test_films_played_backwards_or_squeezed_are_recognised(model, demo_folders, tmp_path):
    for emotion in ("happy", "angry"):
        path = demo_folders[0] / emotion / "walker01_1.mp4"
        forth, back = next(iter(VideoReader(path, 30.0))).frames, tmp_path / f"{emotion}.mp4"
        write_film(back, 30.0, forth[::-1])
        verdict = judge_video(back, model)
        assert (verdict.status, verdict.emotion) == ("abstained", None)
        assert verdict.notes[-1] == "The person walks backwards: is the film played backwards?"
        assert "squeezed" not in " ".join(judge_video(path, model).notes)
        for width, words in ((0.75, "squeezed"), (1.4, "squeezed"), (0.62, "true proportions.")):
            write_film(back, 30.0, [cv2.resize(one, None, fx=width, fy=1) for one in forth])
            assert words in " ".join(judge_video(back, model).notes)
        assert not walks_backwards(prepare_video(path, model.config))


def test_a_verdict_is_of_one_person_and_the_cut_is_told(model, demo_folders, tmp_path):
    paths = [demo_folders[0] / name for name in ("happy/walker01_1.mp4", "sad/walker02_1.mp4")]
    films = [next(iter(VideoReader(path, 30.0))).frames for path in paths]
    write_film(tmp_path / "joined.mp4", 30.0, np.concatenate(films))
    verdict = judge_video(tmp_path / "joined.mp4", model)
    cut, bouts = len(films[0]) / 30, verdict.prepared.bouts
    sides = [{at >= cut for at in (bout.start_seconds + 0.1, bout.end_seconds - 0.1)} for bout in bouts]
    assert len(sides) >= 2 and all(len(side) == 1 for side in sides)
    assert len({bout.person for bout in verdict.prepared.own_bouts}) == 1
    notes = " ".join(verdict.notes)
    assert "cuts from one shot to another" in notes and " people are seen: only the one" in notes
    write_film(tmp_path / "beside.mp4", 30.0, np.concatenate([film[:60] for film in films], axis=1))
    beside = judge_video(tmp_path / "beside.mp4", model)
    assert "2 people are seen: only the one who walks most is read." in beside.notes


def test_a_cache_that_cannot_be_written_to_hinders_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("GAITLIB_CACHE", str(tmp_path))
    (tmp_path / "remembered").touch()
    assert remember(spelled)("a_b") == "a b"


def test_two_paces_in_one_film_are_told(model):
    gait = pd.DataFrame({"cadence_steps_per_min": [72.0, 110.0], "step_length_legs": 0.7}).assign(
        is_valid=True
    )
    _check_speed(verdict := Verdict(Path("a.mp4"), "ok", gait=gait), model)
    assert verdict.status == "warned" and "72 and 110 steps per minute" in verdict.notes[0]


def test_a_doubt_leaves_an_abstention_as_it_is():
    verdict = Verdict(Path("walk.mp4"), status="ok").abstain("The walk is unlike any in training.")
    verdict.warn("Slowed down or sped up?")
    assert (verdict.status, verdict.word, len(verdict.notes)) == ("abstained", "no verdict", 2)


@pytest.mark.parametrize("relative_to", ["reference", "walker-mean"])
def test_a_walk_is_not_compared_with_itself(model, demo_video, relative_to):
    config = model.config.model_copy(update={"relative_to": relative_to})
    comparing = model.model_copy(update={"config": config})
    for beside in ([], [prepare_video(demo_video, model.config)]):
        verdict = judge_video(demo_video, comparing, beside)
        assert verdict.status == "abstained" and "--reference" in verdict.notes[-1]


def test_nobody_and_a_black_film_get_no_verdict(model, tmp_path):
    write_film(path := tmp_path / "black.mp4", 15.0, np.zeros((45, 240, 320, 3), np.uint8))
    verdict = judge_video(path, model)
    assert (verdict.status, verdict.emotion, verdict.confidence) == ("abstained", None, None)
    assert verdict.notes


def test_cut_file_is_read_with_a_warning(model, demo_video):
    mkv = demo_video.with_suffix(".mkv")
    with av.open(str(demo_video)) as source, av.open(str(mkv), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    content = mkv.read_bytes()
    mkv.write_bytes(content[: int(0.8 * len(content))])
    verdict = judge_video(mkv, model)
    assert verdict.status in {"warned", "abstained"}
    assert re.search("end|damaged|shorter|missing", " ".join(verdict.notes))


def test_files_written_tell_the_same(model, demo_video, tmp_path):
    broken = tmp_path / "<b>broken<b>.mp4"
    broken.write_bytes(b"no video")
    verdicts = judge_files([demo_video, broken], model)
    write_verdicts(verdicts, model, tmp_path / "out.json")
    write_page(verdicts, model, tmp_path / "out.html")
    content = json.loads((tmp_path / "out.json").read_text())
    page = (tmp_path / "out.html").read_text()
    assert [video["status"] for video in content["videos"]] == [verdict.status for verdict in verdicts]
    assert {"start_seconds", "end_seconds", "probabilities"} <= set(content["videos"][0]["timeline"][0])
    assert "<b>broken" not in page and "&lt;b&gt;broken" in page
    assert "http://" not in page and "https://" not in page
    assert 'alt="8 frames' in page and content["videos"][0]["gait"]


def test_annotated_copy_shows_the_walker_and_keypoints_load(model, demo_video, tmp_path):
    verdicts = judge_files([demo_video], model)
    write_annotated(verdicts, tmp_path / "annotated")
    write_keypoints(verdicts, tmp_path / "keypoints")
    (copy,) = (tmp_path / "annotated").glob("*.mp4")
    (chunk,) = VideoReader(copy)
    (original,) = VideoReader(demo_video, max_side_px=640)
    height = original.frames.shape[1] // 2 * 2
    middle = len(original.frames) // 2
    changed = (
        np.abs(chunk.frames[middle, :height].astype(int) - original.frames[middle, :height]).max(axis=2) > 60
    )
    assert 20 < changed.sum() < 0.2 * changed.size
    (table,) = (tmp_path / "keypoints").glob("*.csv")
    keypoints = pd.read_csv(table, header=[0, 1, 2], index_col=0)
    assert keypoints.shape[1] == 33 * 3
    assert {"x", "y", "likelihood"} == set(keypoints.columns.get_level_values(2))


def test_page_names_reasons(model, demo_video, tmp_path):
    verdicts = judge_files([demo_video], model)
    write_page(verdicts, model, tmp_path / "why.html")
    page = (tmp_path / "why.html").read_text()
    assert f"Evidence for {verdicts[0].emotion}: " in page or "No single gait parameter" in page
    assert page.count("data:image/png") == 3


def test_command_predicts_a_folder(trained, demo_video, tmp_path):
    shutil.copy(demo_video, demo_video.with_name("z.mp4"))
    done = run_here("predict", demo_video.parent, "--model", trained.folder, "--json", tmp_path / "out.json")
    assert done.returncode == 0, done.stderr
    content = json.loads((tmp_path / "out.json").read_text())
    assert len(content["videos"]) == 2
    assert {video["status"] for video in content["videos"]} <= STATUSES
    assert "held-out walkers" in done.stdout


def test_command_without_a_model_says_so(demo_video, tmp_path):
    done = run_here("predict", demo_video, "--model", tmp_path / "none")
    assert done.returncode == 1
    assert is_one_sentence(done)


def test_same_video_is_prepared_once(model, demo_video):
    one, two = (prepare_video(demo_video, model.config) for _ in range(2))
    assert one.folder == two.folder


def test_saliency_finds_the_place_that_speaks():
    """A network that asks only how bright one corner is."""
    keras = load_keras()
    clips = keras.Input((6, 16, 16, 1))
    corner = keras.layers.Flatten()(clips[:, :, 2:6, 2:6])
    head = keras.layers.Dense(2, activation="softmax", kernel_initializer="zeros")
    network = keras.Model(clips, head(corner))
    head.set_weights([np.tile([[1e-4, -1e-4]], (96, 1)), np.zeros(2)])
    clip = np.random.default_rng(0).integers(0, 255, (6, 16, 16, 1)).astype(np.uint8)
    clip[:, 2:6, 2:6] = 255
    found = clip_saliency(network, clip, 0)
    assert (found[:, 2:6, 2:6] > 0).all()
    found[:, 2:6, 2:6] = 0
    assert not found.any()


def test_sound_and_recording_beside_a_video_are_used(model, demo_folders, tmp_path):
    """By a run that has learnt from them; a video without either gets the verdict of the picture alone."""
    walks = find_walks(demo_folders[0])
    measured, _ = measure_walks(walks, model.config)
    senses = fit_senses(measured, senses_of(measured), model.config)
    video = tmp_path / "walk_1.mp4"
    for suffix in (".mp4", ".csv"):
        shutil.copy(demo_folders[0] / "happy" / f"walker01_1{suffix}", video.with_suffix(suffix))
    (verdict,) = judge_files([video], model, senses=senses)
    assert any(note.startswith("Together, picture, sound, motion, heart say") for note in verdict.notes)
    video.with_suffix(".csv").write_text("time_seconds,acc_x_m_s2\nnow,much\n")
    (verdict,) = judge_files([video], model, senses=senses)
    assert any(note.startswith("Together, picture, sound say") for note in verdict.notes)
    assert any("times are missing" in note for note in verdict.notes)
