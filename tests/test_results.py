"""All answers of a run put together: each video once, compared video by video, written and read back."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from gaitlib.config import InputError, make_config
from gaitlib.evaluation import Predictions, better_than_chance, mean_with_interval
from gaitlib.judging import Judgement
from gaitlib.leak_lesson import describe_leak, leaked_split
from gaitlib.oracle import predict_oracle
from gaitlib.results import combine, read_evaluation, write_results
from gaitlib.rundata import RunData
from gaitlib.soft_labels import compare_with_raters, rater_shares, soft_targets
from gaitlib.tables import describe_scores, ladder_table
from gaitlib.wording import against_baselines, against_raters, spread_over_fits

EMOTIONS = ("angry", "happy", "sad")


def make_data(num_walkers: int = 6, num_folds: int = 0) -> RunData:
    """Return videos of every walker with every emotion, two takes each."""
    rows = [
        (f"{emotion}/w{walker}_{take}.mp4", emotion, f"w{walker}", f"{emotion}{walker}{take}")
        for emotion in EMOTIONS
        for walker in range(num_walkers)
        for take in (1, 2)
    ]
    videos = pd.DataFrame(rows, columns=["video", "emotion", "walker", "digest"])
    number = videos["walker"].str[1:].astype(int)
    videos["fold"] = number % num_folds + 1 if num_folds else 0
    videos["split"] = np.where(videos["fold"] == 1 if num_folds else number < 3, "test", "train")
    return RunData(
        videos.assign(num_clips=2, path=videos["video"]), pd.DataFrame(columns=["video", "reason"])
    )


def judge(data: RunData, fold: int, seed: int, share_right: float, **more) -> Judgement:
    """Return the answers of a model that is right so often."""
    rng = np.random.default_rng([fold, seed])
    is_mine = (
        data.videos["fold"] == fold if fold and data.videos["fold"].any() else data.videos["split"] == "test"
    )
    videos = data.videos[is_mine].reset_index(drop=True)
    labels = videos["emotion"].map(EMOTIONS.index).to_numpy()
    said = np.where(rng.random(len(labels)) < share_right, labels, (labels + 1) % 3)
    probabilities = np.full((len(labels), 3), 0.2)
    probabilities[np.arange(len(labels)), said] = 0.6
    guesses = {"majority": np.zeros(len(labels), int), "box_forest": labels}
    return Judgement(fold, seed, videos, labels, probabilities, 1.0 + fold, guesses, **more)


@pytest.fixture()
def crossed():
    """Return a cross-validation of three folds and two seeds."""
    data, config = make_data(num_folds=3), make_config(folds=3, seeds=2, num_resamples=300)
    judgements = [judge(data, fold, seed, 0.7) for fold in (1, 2, 3) for seed in (0, 1)]
    return combine(judgements, data, config), judgements, data, config


def test_every_video_counts_once_by_the_first_seed(crossed):
    evaluation, judgements, data, _ = crossed
    assert evaluation.table["video"].tolist() == data.rows("judged")["video"].tolist()
    first = [part for part in judgements if part.seed == 0]
    right = sum((part.predicted == part.labels).sum() for part in first)
    assert evaluation.test["accuracy"] == pytest.approx(right / len(data.videos))
    assert evaluation.test["num_walkers"] == 6


def test_average_of_the_seeds_is_one_more_entry():
    """Each seed is right alone on some videos; on most of them two of three outvote the third."""
    data, config = make_data(num_folds=2), make_config(folds=2, seeds=3, num_resamples=300)
    judgements = [judge(data, fold, seed, 0.7) for fold in (1, 2) for seed in (0, 1, 2)]
    evaluation = combine(judgements, data, config)
    votes = [
        np.mean([part.predicted == part.labels for part in judgements[n : n + 3]], axis=0) for n in (0, 3)
    ]
    average = evaluation.test["seed_average"]
    assert average["accuracy"] == pytest.approx((np.concatenate(votes) > 0.5).mean())
    assert average["difference"] == pytest.approx(average["accuracy"] - evaluation.test["accuracy"])
    low, high = average["accuracy_ci95"]
    assert low <= average["accuracy"] <= high
    assert "cnn_lstm, 3 averaged" in evaluation.ladder("cnn_lstm")
    alone = combine([part for part in judgements if part.seed == 0], data, config)
    assert "seed_average" not in alone.test
    assert "cnn_lstm, 3 averaged" not in alone.ladder("cnn_lstm")


def test_spread_over_folds_and_seeds_is_kept_apart_from_the_interval(crossed):
    evaluation, judgements, _, _ = crossed
    assert [fold["accuracy"] for fold in evaluation.folds] == [judgements[n].accuracy for n in (0, 2, 4)]
    assert [seed["seed"] for seed in evaluation.seeds] == [0, 1]
    assert evaluation.seeds[1]["accuracy_by_fold"] == [judgements[n].accuracy for n in (1, 3, 5)]
    words = spread_over_fits(evaluation.seeds, evaluation.folds)
    assert "From fold to fold" in words and "Over 2 seeds" in words
    assert spread_over_fits(evaluation.seeds[:1], []) == ""


def test_each_video_knows_the_temperature_of_its_fold(crossed):
    evaluation, _, data, _ = crossed
    assert evaluation.temperatures.tolist() == (1.0 + data.rows("judged")["fold"]).tolist()


def test_written_and_read_back(crossed, tmp_path):
    evaluation, _, data, config = crossed
    write_results(tmp_path, evaluation, data, config, leak_lesson=None)
    again = read_evaluation(tmp_path)
    pd.testing.assert_frame_equal(again.table, evaluation.table)
    assert again.test == json.loads(json.dumps(evaluation.test))
    assert again.labels.tolist() == evaluation.labels.tolist()
    assert np.allclose(again.temperatures, evaluation.temperatures)
    assert json.loads((tmp_path / "results.json").read_text())["folds"][2]["test_walkers"] == ["w2", "w5"]


def test_names_made_of_digits_stay_text(crossed, tmp_path):
    evaluation, _, data, config = crossed
    names = dict(zip(evaluation.test["labels"], ("007", "1e3", "NA"), strict=False))
    table = evaluation.table.assign(walker="007", video="0.10")
    table = table.assign(**{name: table[name].map(names) for name in ("emotion", "predicted")})
    test = {**evaluation.test, "labels": list(names.values())}
    write_results(tmp_path, replace(evaluation, table=table, test=test), data, config)
    again = read_evaluation(tmp_path)
    pd.testing.assert_frame_equal(again.table, table)
    assert again.labels.tolist() == evaluation.labels.tolist()


def test_lead_over_a_perfect_baseline_is_negative_and_said(crossed):
    evaluation, _, _, _ = crossed
    entry = evaluation.test["baselines"]["box_forest"]
    assert entry["difference"] == pytest.approx(evaluation.test["accuracy"] - 1)
    assert entry["difference_ci95"][1] < 0
    words = against_baselines(evaluation.test)
    assert "worse than box forest" in words
    assert "the model adds nothing to it" in words
    assert "better than chance and majority" in words


def test_tables_name_every_baseline(crossed):
    evaluation, _, _, _ = crossed
    table = ladder_table(evaluation.test, "cnn_lstm")
    assert set(table["classifier"]) == {"cnn lstm", "chance", "majority", "box forest"}
    assert "box_forest" in describe_scores(evaluation.test)


def test_paired_comparison_is_surer_than_two_intervals():
    """Two classifiers that fail on the same walkers: their difference is known better than either."""
    rng = np.random.default_rng(0)
    walkers = np.repeat(np.arange(12).astype(str), 10)
    skill = np.repeat(rng.uniform(0.2, 0.9, 12), 10)
    draw = rng.random(120)
    better, worse = draw < skill + 0.1, draw < skill
    difference, (low, high) = mean_with_interval(better.astype(float) - worse, walkers, 2000, 0)
    _, (low_one, high_one) = mean_with_interval(better.astype(float), walkers, 2000, 0)
    assert difference == pytest.approx(better.mean() - worse.mean())
    assert 0 < low < difference < high
    assert high - low < (high_one - low_one) / 2


def test_walkers_without_any_difference_are_not_certainty():
    walkers = np.repeat(np.arange(10).astype(str), 4)
    difference, (low, high) = mean_with_interval(np.zeros(40), walkers, 200, 0)
    assert difference == 0
    assert -0.4 < low < -0.2 and 0.2 < high < 0.4


@pytest.mark.parametrize("seed", range(3))
def test_knowing_the_walker_is_not_better_than_chance(seed):
    """Each walker always gets one answer: right often enough if labels differ by walker, yet worthless."""
    rng = np.random.default_rng(seed)
    walkers = np.repeat(np.arange(10), 8)
    labels = np.where(rng.random(80) < 0.7, walkers % 3, rng.integers(0, 3, 80))
    knows_walker = Predictions(labels, walkers % 3, walkers.astype(str))
    assert better_than_chance(knows_walker, 300, 0) == 1.0
    knows_emotion = Predictions(labels, labels, walkers.astype(str))
    assert better_than_chance(knows_emotion, 300, 0) < 0.01


def test_p_values_of_guesses_are_uniform():
    rng = np.random.default_rng(1)
    walkers = np.repeat(np.arange(6), 10).astype(str)
    values = [
        better_than_chance(Predictions(rng.integers(0, 3, 60), rng.integers(0, 3, 60), walkers), 60, seed)
        for seed in range(120)
    ]
    assert np.mean(np.array(values) <= 0.1) < 0.2
    assert 0.4 < np.mean(values) < 0.7


@pytest.mark.parametrize("num_folds", [0, 3])
def test_leaked_split_shares_walkers_and_tests_judged_videos_only(num_folds):
    data, config = make_data(num_folds=num_folds), make_config(folds=num_folds)
    leaked = leaked_split(data, config)
    test, train = leaked.rows("test"), leaked.rows("train")
    assert set(test["walker"]) & set(train["walker"])
    assert set(test["digest"]) <= set(data.rows("judged")["digest"])
    assert not set(test["digest"]) & set(train["digest"])
    assert set(test["emotion"]) == set(EMOTIONS)
    assert len(leaked.rows("validation")) > 0


def test_leak_is_described_by_its_numbers():
    entry = {"accuracy": 0.5, "accuracy_ci95": [0.4, 0.6]}
    scores = {
        "honest": entry,
        "leaked": {**entry, "accuracy": 0.9},
        "difference": 0.4,
        "difference_ci95": [0.2, 0.6],
        "num_videos": 20,
        "num_shared_walkers": 5,
    }
    words = describe_leak(scores)
    assert "50.0%" in words and "90.0%" in words and "+40.0 points" in words and "excludes zero" in words


RATED = pd.DataFrame(
    {
        "share_angry": [0.5, 0.0],
        "share_happy": [0.5, 0.0],
        "share_sad": [0.0, 1.0],
        "agreement": [0.4, 1.0],
    }
)


def test_raters_shares_are_targets_and_measure():
    assert soft_targets(RATED, EMOTIONS).tolist() == [[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]
    same = compare_with_raters(RATED, soft_targets(RATED, EMOTIONS), EMOTIONS)
    assert (
        same["cross_entropy"]
        == pytest.approx(same["cross_entropy_floor"])
        == pytest.approx(np.log(2) / 2, abs=1e-3)
    )
    assert same["total_variation"] == 0
    other = compare_with_raters(RATED, np.full((2, 3), 1 / 3), EMOTIONS)
    assert other["cross_entropy"] == pytest.approx(np.log(3), abs=1e-3)
    assert "cross-entropy is 1.10" in against_raters({"soft": other})


def test_soft_labels_without_raters_are_refused():
    assert rater_shares(pd.DataFrame({"emotion": ["sad"]}), EMOTIONS) is None
    assert compare_with_raters(pd.DataFrame({"emotion": ["sad"]}), np.ones((1, 3)) / 3, EMOTIONS) == {}
    with pytest.raises(InputError, match="needs the ratings of several people: pass --labels"):
        soft_targets(pd.DataFrame({"emotion": ["sad"]}), EMOTIONS)


def test_rater_ceiling_and_soft_scores_come_with_a_rating_sheet():
    data = make_data()
    shares = pd.get_dummies(data.videos["emotion"]).add_prefix("share_").astype(float)
    rated = RunData(data.videos.join(shares).assign(agreement=0.6), data.skipped)
    evaluation = combine([judge(rated, 1, 0, 0.5)], rated, make_config(num_resamples=100))
    assert evaluation.test["baselines"]["rater_ceiling"]["accuracy"] == pytest.approx(0.6)
    assert evaluation.test["soft"]["cross_entropy_floor"] == pytest.approx(0, abs=1e-3)
    assert "rater ceiling" not in against_baselines(evaluation.test)


def test_oracle_knows_synthetic_walks_only(demo_folders):
    train, test = (
        pd.DataFrame([(str(path), path.parent.name) for path in sorted(folder.glob("*/*.mp4"))])
        for folder in demo_folders
    )
    train.columns = test.columns = ["path", "emotion"]
    said = predict_oracle(train, test, 0)
    assert said is not None and (said == test["emotion"]).mean() >= 0.5
    moved = test.assign(path="/nowhere/happy/a_1.mp4")
    assert predict_oracle(train, moved, 0) is None
