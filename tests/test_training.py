"""One training, the same after a kill; the choice of a model; a run's folder; Dask's workers."""

import os
import pickle
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from made_walks import EMOTIONS, make_walks, walk_config

from gaitlib.clips import cluster, run_many
from gaitlib.data import RunData, make_fit
from gaitlib.errors import InputError
from gaitlib.models import TrainedModel, classifiers, load_keras, load_trained
from gaitlib.training import choose_model, choosing, fitting, train_model
from gaitlib.training.runs import fit_folder, load_fit, train_fits


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """Give the trainings of this file a cache of their own, and small forests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAITLIB_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setitem(classifiers._FOREST, "n_estimators", 20)
        yield


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Return training and validation walks."""
    folder = tmp_path_factory.mktemp("walks")
    return make_walks(folder / "train", 4), make_walks(folder / "validation", 2, first=5)


@pytest.fixture(scope="module")
def long_config():
    """Return settings of a training that is long enough to be killed."""
    return walk_config(epochs=6, patience=2, batch_size=4)


@pytest.fixture(scope="module")
def straight(sets, long_config):
    """Train without any disturbance."""
    return train_model("skeleton_gru", *sets, long_config, EMOTIONS)


def beside_others(part):
    return replace(part, references=tuple(part.chosen(part.walkers == who).videos for who in part.walkers))


def make_data(folder: Path, num_walkers: int, **settings) -> RunData:
    """Return a run's data of made walks, two folds."""
    config = walk_config(**{"folds": 2, **settings})
    walks = make_walks(folder, num_walkers)
    names = [video.digest for video in walks.videos]
    table = {
        "video": names,
        "digest": names,
        "entry": [str(video.folder) for video in walks.videos],
        "emotion": [EMOTIONS[label] for label in walks.labels],
        "walker": walks.walkers,
        "fold": [int(walker[-1]) % 2 + 1 for walker in walks.walkers],
        "num_clips": 3,
    }
    skipped = pd.DataFrame({"video": [], "reason": []})
    return RunData(pd.DataFrame(table).assign(split="train", reference=""), skipped, config)


def assert_same(result, other) -> None:
    assert result.best_epoch == other.best_epoch
    pd.testing.assert_frame_equal(result.history, other.history)
    weights = (each.model.predictor.get_weights() for each in (result, other))
    assert all(map(np.array_equal, *weights))


def test_history_best_epoch_and_what_the_model_says_of_itself(straight):
    columns = {"epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"}
    assert set(straight.history) >= columns and np.isfinite(straight.history).all(axis=None)
    assert straight.history["epoch"].tolist() == list(range(1, len(straight.history) + 1))
    assert straight.best_epoch == int(straight.history["val_loss"].idxmin()) + 1
    about = straight.model.about
    assert (about["num_walkers"], about["num_videos"]) == (6, 18)
    assert {"mean", "sd", "num_walks", "emotions"} == set(next(iter(about["gait_reference"].values())))


def test_finished_training_is_not_done_twice_and_shows_its_progress(straight, sets, long_config, capfd):
    again = train_model("skeleton_gru", *sets, long_config, EMOTIONS)
    assert_same(again, straight)
    assert "left" not in capfd.readouterr().err
    train_model("skeleton_gru", *sets, long_config.model_copy(update={"seed": 1, "epochs": 1}), EMOTIONS)
    assert "skeleton_gru: 100 %" in (told := capfd.readouterr().err) and "val_loss" in told


KILLED = """
import pickle, sys
from gaitlib.training import train_model
train_model("skeleton_gru", *pickle.load(open(sys.argv[1], "rb")))
"""


def test_killed_training_goes_on_to_the_same_bits(straight, sets, long_config, tmp_path, monkeypatch):
    monkeypatch.setenv("GAITLIB_CACHE", str(tmp_path))
    (tmp_path / "given").write_bytes(pickle.dumps((*sets, long_config, EMOTIONS)))
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path / "given")])
    end = time.monotonic() + 120
    while not any("2" in path.read_text() for path in tmp_path.glob("trainings/*/backup/*.json")):
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.005)
    process.kill()
    process.wait()
    begun, batches = list[int](), fitting.training_batches
    monkeypatch.setattr(fitting, "training_batches", lambda *given: begun.append(given[2]) or batches(*given))
    assert_same(train_model("skeleton_gru", *sets, long_config, EMOTIONS), straight)
    assert len(begun) == 1 and 2 <= begun[0] < len(straight.history)


@pytest.mark.parametrize(
    ("content", "kept"), [("", 0), ('{"epoch": 2', 0), (None, 0), ('{"epoch": 2, "batch": 0}', 2)]
)
def test_what_a_kill_left_half_written_is_dropped(tmp_path, content, kept):
    (tmp_path / "backup").mkdir()
    (tmp_path / "history.csv").write_text("epoch,val_loss\n0,1.5\n1,1.25\n2,1.0\n")
    if content is not None:
        (tmp_path / "backup" / "training_metadata.json").write_text(content)
    assert fitting.resume(tmp_path)["val_loss"].tolist() == [1.5, 1.25][:kept]
    assert bool(list(tmp_path.iterdir())) == bool(kept)


def test_patience_goes_on_where_a_kill_broke_it_off():
    keras = load_keras()
    network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    network.compile("adam", "mse")
    earlier = pd.DataFrame({"epoch": [0, 1, 2], "val_loss": [0.0, 2.0, 3.0]})
    callbacks = fitting.patience(walk_config(patience=3, learning_rate=0.5), earlier)
    data = np.ones((2, 1)), np.ones(2)
    options = {"validation_data": data, "callbacks": callbacks, "verbose": 0}
    history = network.fit(*data, epochs=9, initial_epoch=3, **options)
    assert len(history.epoch) == 1 and float(network.optimizer.learning_rate) == 0.25


def test_loss_that_is_no_number_is_one_sentence(sets):
    with pytest.raises(
        InputError, match="stopped being a number in the first epoch: lower the learning rate"
    ):
        train_model("skeleton_gru", *sets, walk_config(learning_rate=1e30, epochs=1), EMOTIONS)


@pytest.mark.parametrize(
    ("name", "relative_to"),
    [("cnn_lstm", "walker-mean"), ("gait_logistic", "walker-mean"), ("gait_forest", "none")],
)
def test_models_learn_alone_and_relative_to_the_walker_from_soft_labels_too(sets, name, relative_to):
    config = walk_config(epochs=2, relative_to=relative_to, label_form="soft")
    soft = [replace(part, targets=np.eye(3, dtype=np.float32)[part.labels] * 0.7 + 0.1) for part in sets]
    soft = soft if relative_to == "none" else list(map(beside_others, soft))
    result = train_model(name, *soft, config, EMOTIONS)
    says = result.model.predict(soft[1])
    assert says.shape == (6, 3) and result.model.novelty.limit is None
    if name != "cnn_lstm":
        assert (says.argmax(axis=1) == soft[1].labels).mean() > 0.6
        assert result.history["val_accuracy"].item() >= 0.5


def test_choice_is_made_by_inner_folds_and_each_classifier_is_fitted_once(sets, monkeypatch):
    both, config, fitted = sets[0].joined(sets[1]), walk_config(seed=5), []
    original = classifiers.fit_classifier
    monkeypatch.setattr(classifiers, "fit_classifier", lambda *one: fitted.append(one[0]) or original(*one))
    choice = choose_model(both, config, EMOTIONS)
    assert choice.name in set(choice.table["model"]) and choice.name in choice.reason
    assert choice.name == "gait_ensemble" or choice.name == choice.table["model"].iloc[0]
    assert choice.table["accuracy"].max() > 0.6 and "6 training and validation walkers" in choice.reason
    assert len(fitted) == 5 * 3
    train_model(choice.name, *sets, config, EMOTIONS)
    assert len(fitted) == 5 * 3 + 1


@pytest.mark.parametrize("is_good", [True, False])
def test_networks_are_judged_without_their_walkers_and_given_up_where_they_are_hopeless(
    sets, monkeypatch, is_good
):
    both, config, seen = sets[0].joined(sets[1]), walk_config(seed=6), []

    def train_network(name, train, validation, config, emotions):
        walkers = {*train.walkers, *validation.walkers}
        assert not set(train.walkers) & set(validation.walkers)

        def predict(videos):
            assert not set(videos.walkers) & walkers
            seen.append(len(videos))
            return np.eye(len(EMOTIONS))[(videos.labels + (not is_good)) % len(EMOTIONS)]

        return SimpleNamespace(model=SimpleNamespace(predict=predict))

    assert len(choose_model(both, config, EMOTIONS).table) == 3  # so few videos feed no network
    monkeypatch.setattr(choosing, "_FEWEST_VIDEOS", len(both))
    monkeypatch.setattr(choosing, "train_model", train_network)
    choice = choose_model(both, config.model_copy(update={"epochs": 7 + is_good}), EMOTIONS)
    num_videos = choice.table.set_index("model")["num_videos"][["cnn_lstm", "skeleton_gru"]]
    if is_good:
        assert choice.name in ("cnn_lstm", "skeleton_gru") and (num_videos == len(both)).all()
        assert sum(seen) == 2 * len(both)
    else:
        assert choice.name == "gait_ensemble" and (num_videos < len(both) / 2).all()
        assert seen == num_videos.tolist() and set(choice.table["model"][-2:]) == set(num_videos.index)


def test_a_network_is_trained_in_inner_folds_until_it_is_hopeless(sets):
    both, config = sets[0].joined(sets[1]), walk_config(seed=6, epochs=1)
    model = TrainedModel(name="skeleton_gru", emotions=EMOTIONS, config=config)
    says = choosing.network_out_of_fold(model, both, rival=np.eye(len(EMOTIONS))[both.labels])
    known = np.isfinite(says).all(axis=1)
    assert np.allclose(says[known].sum(axis=1), 1, atol=1e-3) and 0 < known.sum() < len(both)
    assert not set(both.walkers[known]) & set(both.walkers[~known])


def test_comparing_must_be_better_than_the_ensemble_that_reads_each_walk_alone(sets):
    beside = list(map(beside_others, sets))
    config = walk_config(relative_to="walker-mean", seed=7)
    both, compared = sets[0].joined(sets[1]), beside[0].joined(beside[1])
    assert "gait_alone" in set(choose_model(compared, config, EMOTIONS).table["model"])
    assert "gait_alone" not in set(choose_model(both, walk_config(), EMOTIONS).table["model"])
    alone = train_model("gait_alone", *beside, config, EMOTIONS).model
    same = train_model("gait_ensemble", *sets, walk_config(seed=7), EMOTIONS).model
    assert alone.config.relative_to == "none"  # to predict, no other walk is needed
    for ask in ("predict", "novelty_of"):
        assert np.allclose(getattr(alone, ask)(beside[1]), getattr(same, ask)(sets[1]))
    answers, others = alone.predict_clips(beside[1]), same.predict_clips(sets[1])
    assert np.allclose(answers.probabilities, others.probabilities)


@pytest.mark.parametrize("sure", ["gait_alone", "gait_ensemble"])
def test_an_ensemble_compares_walks_only_where_its_log_loss_is_lower(sets, monkeypatch, sure):
    def say(name, videos, *_):
        says = 0.1 + (0.6 if name == sure else 0.3) * np.eye(len(EMOTIONS))[videos.labels]
        wrong = [2] if name == "gait_forest" else [0, 1]  # the forest leads, but by one video
        says[wrong] = np.roll(says[wrong], 1, axis=1)
        return says

    compared = beside_others(sets[0]).joined(beside_others(sets[1]))
    monkeypatch.setattr(choosing, "gait_out_of_fold", say)
    assert choose_model(compared, walk_config(relative_to="walker-mean"), EMOTIONS).name == sure


def test_too_few_walkers_to_choose_by_leave_the_published_network(sets):
    few = sets[0].chosen(np.flatnonzero(sets[0].walkers != "walker01"))
    choice = choose_model(few, walk_config(), EMOTIONS)
    assert choice.name == "cnn_lstm" and choice.table.empty
    assert "3 training walkers are too few to choose by" in choice.reason


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Train a run of two folds."""
    folder = tmp_path_factory.mktemp("run")
    data = make_data(folder / "walks", 10, epochs=1)
    return data, folder / "out", train_fits(data, data.config, folder / "out")


def test_run_folder_holds_the_published_network_and_the_choice_of_each_fold(run):
    data, folder, results = run
    assert {path.name for path in folder.iterdir()} == {
        *("model.keras", "model.h5", "history.csv", "model.json", "choice.csv"),
        *("chosen.skops", "chosen_history.csv", "fits"),
    }
    for result in results:
        test = result.fit.data.video_set("test", data.config)
        chosen, published = (load_fit(folder, result.fit, which) for which in ("chosen", "published"))
        assert published.name == "cnn_lstm" and chosen.name == result.choice.name
        assert (chosen.about["fold"], chosen.about["is_demo"]) == (result.fit.fold, False)
        assert not set(test.walkers) & set(result.fit.data.rows("train")["walker"])
        assert (published.about["best_epoch"], chosen.about["reason"]) == (1, result.choice.reason)
        assert np.allclose(chosen.predict(test), result.chosen.model.predict(test))
    assert fit_folder(folder, results[1].fit) == folder / "fits" / "fold2_seed0"


def test_models_of_other_settings_are_not_taken_for_those_of_this_run(run):
    data, folder, _ = run
    changed = make_fit(data, 1, 0, data.config.model_copy(update={"l2_strength": 0.5}))
    with pytest.raises(InputError, match="were trained on other videos or with other settings"):
        load_fit(folder, changed)
    load_fit(folder, make_fit(data, 1, 0, data.config.model_copy(update={"num_resamples": 100})))


def test_named_model_is_trained_alone(tmp_path):
    data = make_data(tmp_path / "walks", 6, model="gait_logistic", folds=2)
    results = train_fits(data, data.config, tmp_path / "run")
    assert [result.published for result in results] == [None, None]
    assert sorted(path.name for path in (tmp_path / "run").glob("*.*")) == [
        "history.csv",
        "model.json",
        "model.skops",
    ]
    assert load_fit(tmp_path / "run", results[0].fit, "published") is None
    assert load_trained(tmp_path / "run").name == "gait_logistic"


def test_tasks_here_come_back_in_order_with_the_time_left(capfd):
    assert list(run_many(abs, [-3, -2, 1], description="Counting")) == [3, 2, 1]
    assert "Counting: 3 of 3" in capfd.readouterr().err
    assert list(run_many(abs, [])) == []


def start_dask(*arguments: object) -> subprocess.Popen:
    command = [sys.executable, "-m", "dask", *map(str, arguments), "--no-dashboard"]
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, stdout=quiet, stderr=quiet, cwd=Path(__file__).parents[1])


@pytest.fixture(scope="module")
def scheduler():
    """Start a scheduler; return its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    process = start_dask("scheduler", "--host", "127.0.0.1", "--port", port)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    yield f"tcp://127.0.0.1:{port}"
    process.kill()
    process.wait()


@pytest.fixture()
def workers(scheduler, tmp_path):
    """Return a function that starts workers of one thread; they end with the test."""
    import distributed

    started = []

    def start(number: int) -> list[subprocess.Popen]:
        options = ("--nthreads", 1, "--no-nanny", "--local-directory", tmp_path)
        started.extend(start_dask("worker", scheduler, *options) for _ in range(number))
        with distributed.Client(scheduler, set_as_default=False, timeout=60) as client:
            client.wait_for_workers(len(started), timeout=120)
        return started

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_worker_killed_midway_changes_nothing(scheduler, workers):
    victim, _ = workers(2)
    results = run_many(time.sleep, [0.1] * 20, scheduler)
    assert next(results) is None
    victim.kill()
    assert list(results) == [None] * 19
    assert list(run_many(abs, [-3, -2, 1], scheduler)) == [3, 2, 1]
    with pytest.raises(FileNotFoundError):  # the task's own error, not the scheduler's
        list(run_many(os.listdir, ["/not/there"], scheduler))


def test_folds_are_trained_on_workers_as_here(run, scheduler, workers, tmp_path):
    workers(2)
    config = run[0].config.model_copy(update={"model": "gait_logistic"})
    there, here = (
        train_fits(run[0], config.model_copy(update={"scheduler": address}), tmp_path / "run")
        for address in (scheduler, "")
    )
    for one, other in zip(there, here, strict=True):
        test = one.fit.data.video_set("test", config)
        assert np.array_equal(one.chosen.model.predict(test), other.chosen.model.predict(test))


def test_task_that_kills_every_worker_is_one_sentence(scheduler, workers):
    workers(4)
    with pytest.raises(InputError, match="a task brought down all that tried it"):
        list(run_many(os._exit, [1], scheduler))


def test_run_without_a_worker_left_ends_with_one_sentence(scheduler, workers, monkeypatch):
    monkeypatch.setattr(cluster, "NO_WORKER_SECONDS", 2)
    (only,) = workers(1)
    results = run_many(time.sleep, [0.1] * 20, scheduler)
    assert next(results) is None
    only.kill()
    with pytest.raises(InputError, match="its workers are gone"):
        list(results)


@pytest.mark.parametrize("address", ["", "tcp://127.0.0.1:9"])
def test_scheduler_that_is_of_no_use_is_one_sentence(scheduler, address, monkeypatch):
    monkeypatch.setattr(cluster, "_CONNECT_SECONDS", 5)
    with pytest.raises(InputError, match="No Dask scheduler with a worker answers"):
        list(run_many(abs, [1], address or scheduler))
