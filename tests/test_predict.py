"""Any video gets an answer or a reason; the page and the table say the same (about 40 s)."""

import shutil
from dataclasses import asdict

import numpy as np
import pytest
from media import write_video
from test_walker import draw_person, textured, with_noise

from gaitlib.answering import feature_model
from gaitlib.batches import make_clip_set
from gaitlib.clips import prepare_video
from gaitlib.config import make_config
from gaitlib.files import read_json
from gaitlib.models import build_model
from gaitlib.novelty import fit_novelty, novelty_of
from gaitlib.predict import PredictOutputs, predict_files
from gaitlib.predict_page import page_entry, write_predictions
from gaitlib.saving import load_model
from gaitlib.verdict import Verdict, predict_video

EMOTIONS = ("angry", "happy", "neutral", "sad")


@pytest.fixture(scope="module")
def model():
    return build_model("cnn_lstm", 8, 32, 1, 4)


def verdict_on(pictures, folder, model, config) -> Verdict:
    size = pictures[0].shape[1], pictures[0].shape[0]
    stamps = [number / 15 for number in range(len(pictures))]
    path = write_video(folder / "video.mp4", stamps, size=size, pictures=list(pictures))
    return predict_video(path, model, config, EMOTIONS)


def test_black_frozen_and_noise_are_said_and_not_classified(tmp_path, model, tiny_config):
    draw = np.random.default_rng(0)
    videos = {
        "black": np.zeros((40, 120, 160), np.uint8),
        "frozen": np.repeat(draw.integers(0, 255, (1, 120, 160), np.uint8), 40, axis=0),
        "noise": draw.integers(0, 255, (40, 120, 160), np.uint8),
    }
    for word, pictures in videos.items():
        verdict = verdict_on(pictures, tmp_path, model, tiny_config)
        assert (verdict.status, verdict.emotion, verdict.timeline) == ("abstained", None, [])
        assert word in verdict.notes[-1]
        assert verdict.frames_read == 40


def test_too_short_a_video_is_said_to_be(tmp_path, model, demo_video):
    verdict = predict_video(demo_video, model, make_config(num_frames=90), EMOTIONS)
    assert verdict.status == "abstained"
    assert "too short" in verdict.notes[-1]


def test_something_that_is_no_person_gets_no_word(tmp_path, model, tiny_config):
    """A wide thing that moves: the whole picture is kept for training, but not answered."""
    pictures = np.full((45, 240, 320), 90, np.uint8)
    for number, picture in enumerate(pictures):
        picture[150:200, 10 + 4 * number : 110 + 4 * number] = 200
    verdict = verdict_on(pictures, tmp_path, model, tiny_config)
    assert (verdict.status, verdict.emotion) == ("abstained", None)
    assert "no person could be made out" in verdict.notes[-1]


def drawn(num_frames, *people, size=(240, 480)) -> np.ndarray:
    """Return pictures of people; each is a function of the picture's number: place, foot, height, phase."""
    frames = np.repeat(textured(*size)[None], num_frames, axis=0)
    for number, frame in enumerate(frames):
        for person in people:
            draw_person(frame, *person(number))
    return with_noise(frames)


@pytest.mark.parametrize(
    ("pictures", "status", "word"),
    [
        (drawn(75, lambda n: (100 + 1.2 * n, 150, 17, n / 8)), "abstained", "the walker is too small"),
        (drawn(60, lambda n: (240, 215, 150, 0.25)), "abstained", "nobody was found"),
        (
            drawn(75, lambda n: (60 + 5 * n, 215, 150, n / 8), lambda n: (420 - 4 * n, 200, 130, n / 8)),
            "warned",
            "Up to 2 people are seen at the same time: the one who walks most was read.",
        ),
        (
            drawn(75, lambda n: (160 + 3 * np.sin(n / 5), 215, 160, n / 8), size=(240, 320)),
            "warned",
            "Walks on the spot",
        ),
    ],
    ids=["too small", "standing", "several", "on the spot"],
)
def test_reason_or_remark_is_given(tmp_path, model, tiny_config, pictures, status, word):
    verdict = verdict_on(pictures, tmp_path, model, tiny_config)
    assert word in " ".join(verdict.notes)
    assert (verdict.emotion is None) == (status == "abstained")
    assert (verdict.status == "abstained") == (status == "abstained")


@pytest.fixture(scope="module")
def clips(demo_folders, tiny_config):
    """Return clips of 16 training and of 8 other videos of synthetic walkers, and their files."""
    sets = []
    for folder in demo_folders:
        videos = [prepare_video(path, tiny_config) for path in sorted(folder.glob("*/*.mp4"))]
        sets.append(make_clip_set(videos, np.zeros(len(videos), int), tiny_config))
    return sets


def test_noise_lies_farther_from_training_than_other_walkers(model, clips):
    train, others = clips
    fitted = fit_novelty(model, train, train)
    features, _ = feature_model(model).predict(np.stack([others.read(0), others.read(1)]), verbose=0)
    noise = np.random.default_rng(0).integers(0, 255, (2, 8, 32, 32, 1), np.uint8)
    strange, _ = feature_model(model).predict(noise, verbose=0)
    assert novelty_of(strange, fitted) > 2 * novelty_of(features, fitted)
    assert len(fitted["mean"]) == 32
    assert np.shape(fitted["whitening"]) == (32, 32)


def test_limit_is_set_only_where_there_are_videos_enough(model, clips, tiny_config):
    train, _ = clips
    assert fit_novelty(model, train, train)["threshold"] is None  # 16 videos
    twice = make_clip_set(train.videos * 2, np.zeros(32, int), tiny_config)
    fitted = fit_novelty(model, train, twice)
    features, _ = feature_model(model).predict(
        np.stack([train.read(k) for k in range(len(train))]), verbose=0
    )
    distances = [novelty_of(features[train.video_numbers == k], fitted) for k in range(16)]
    assert fitted["threshold"] == pytest.approx(max(distances), rel=1e-3)
    assert fitted["num_videos"] == 32
    low, high = fitted["false_alarm_ci95"]
    assert low <= fitted["false_alarm_rate"] <= high


def test_unlike_pictures_get_no_word_and_like_ones_do(demo_video, model, clips, tiny_config):
    fitted = fit_novelty(model, clips[0], clips[0])
    far, near = ({**fitted, "threshold": limit} for limit in (1e-6, 1e6))
    verdict = predict_video(demo_video, model, tiny_config, EMOTIONS, far)
    assert (verdict.status, verdict.emotion, verdict.timeline) == ("abstained", None, [])
    assert "unlike any in training" in verdict.notes[-1]
    verdict = predict_video(demo_video, model, tiny_config, EMOTIONS, near)
    assert verdict.status == "ok"
    assert verdict.notes == []
    verdict = predict_video(demo_video, model, tiny_config, EMOTIONS)
    assert verdict.emotion is not None
    assert "could not be checked" in verdict.notes[-1]


def test_outputs_agree_and_hostile_names_stay_text(trained, demo_video, tmp_path):
    folder = tmp_path / "videos"
    folder.mkdir()
    shutil.copy(demo_video, folder / "a <script>alert(1)<script>.mp4")
    (folder / "b.mp4").write_text("no video")
    table = predict_files(
        [folder],
        trained.folder / "model.keras",
        PredictOutputs(tmp_path / "out.json", tmp_path / "seen", tmp_path / "out.html"),
    )
    walk, broken = read_json(tmp_path / "out.json")["videos"]
    page = (tmp_path / "out.html").read_text()
    assert "<script>alert" not in page and "&lt;script&gt;alert" in page
    assert page.count("<h1") == 1
    assert page.count("<img") == page.count('alt="8 pictures') == 1
    assert "synthetic walkers" in page.split("<main>")[0]
    assert "http://" not in page and "https://" not in page
    if walk["emotion"]:
        assert walk["emotion"] in page
        assert f"{walk['confidence']:.0%}" in page and f"{walk['confidence']:.0%}" in table
    assert (broken["status"], "not readable" in page) == ("refused", True)
    assert [path.suffix for path in (tmp_path / "seen").iterdir()] == [".mp4"]


def test_page_says_how_often_it_is_wrong_to_call_a_video_unlike(demo_video, tmp_path, tiny_config):
    novelty = {"threshold": 3.0, "false_alarm_rate": 0.05, "false_alarm_ci95": [0.01, 0.17], "num_videos": 40}
    verdict = Verdict("a.mp4", "abstained", notes=["The pictures are unlike any in training."])
    entry = page_entry(asdict(verdict), prepare_video(demo_video, tiny_config), EMOTIONS)
    write_predictions(tmp_path / "page.html", [entry], "model.keras", False, novelty)
    page = (tmp_path / "page.html").read_text()
    assert "5% of the 40 validation videos (95 % interval 1% to 17%)" in page
    assert 'class="banner"' not in page
    assert "no verdict" in page


def test_a_model_without_the_measure_still_predicts(trained, demo_video):
    loaded, card = load_model(trained.folder / "model.keras")
    config = make_config(**card["config"])
    verdict = predict_video(demo_video, loaded, config, card["emotions"], None)
    assert verdict.status == "ok"
    assert sum(verdict.probabilities.values()) == pytest.approx(1)
