"""Scores, intervals and what is written of them, compared with scikit-learn and closed forms."""

import json
import subprocess

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn import metrics

from gaitlib.config import make_config
from gaitlib.data import RunData
from gaitlib.demo import TRUTH_NAME, sample_truth
from gaitlib.evaluation import Predictions, compare_rights, holm, permutation_p, score
from gaitlib.evaluation import results as results_module
from gaitlib.evaluation.judging import combine, leaking_split, predict_oracle
from gaitlib.evaluation.results import effect_sizes, git_commit, read_evaluation, write_results
from gaitlib.evaluation.scores import FitScore, mean_with_interval, measure_calibration, sign_flip_test

EMOTIONS = ("angry", "happy", "sad")
CONFIG = make_config(num_resamples=300)


def predictions_of(labels, predicted, walkers, emotions=EMOTIONS, sure: float = 0.6) -> Predictions:
    """Return predictions with the same confidence everywhere."""
    labels, predicted = np.asarray(labels), np.asarray(predicted)
    probabilities = np.full((len(labels), len(emotions)), (1 - sure) / (len(emotions) - 1))
    probabilities[np.arange(len(labels)), predicted] = sure
    rows = [(f"v{place}.mp4", str(walkers[place]), emotions[label]) for place, label in enumerate(labels)]
    videos = pd.DataFrame(rows, columns=["video", "walker", "emotion"])
    return with_answers(videos.assign(num_clips=2, fold=0, temperature=1.0), emotions, probabilities)


def with_answers(videos: pd.DataFrame, emotions, probabilities: np.ndarray) -> Predictions:
    columns = [f"p_{emotion}" for emotion in emotions]
    return Predictions(videos.join(pd.DataFrame(probabilities, columns=columns)), tuple(emotions))


def random_predictions(seed: int, num_walkers: int = 12) -> Predictions:
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(3), rng.choice(3, 69, p=(0.5, 0.3, 0.2))])
    predicted = np.where(rng.random(72) < 0.5, labels, rng.integers(0, 3, 72))
    return predictions_of(labels, predicted, [f"w{place % num_walkers}" for place in range(72)])


@pytest.mark.parametrize("seed", range(3))
def test_metrics_agree_with_scikit_learn(seed):
    predictions = random_predictions(seed)
    true, said, result = predictions.labels, predictions.predicted, score(predictions, CONFIG)
    assert result.accuracy == pytest.approx(metrics.accuracy_score(true, said))
    assert result.balanced_accuracy == pytest.approx(metrics.balanced_accuracy_score(true, said))
    macro = metrics.precision_recall_fscore_support(true, said, average="macro", zero_division=0)
    found = (result.macro_precision, result.macro_recall, result.macro_f1)
    assert found == pytest.approx(macro[:3])
    rows = metrics.precision_recall_fscore_support(true, said, zero_division=0)
    for place, emotion in enumerate(EMOTIONS):
        one = result.per_class[emotion]
        found = [one.precision, one.recall, one.f1, one.num_videos]
        assert found == pytest.approx([row[place] for row in rows])
    assert result.confusion_matrix == metrics.confusion_matrix(true, said).tolist()
    assert (result.num_videos, result.num_walkers, result.labels) == (72, 12, list(EMOTIONS))
    for name in ("accuracy", "balanced_accuracy"):
        low, high = getattr(result, f"{name}_ci95")
        assert 0 <= low < getattr(result, name) < high <= 1


def test_class_that_is_never_predicted_has_precision_zero():
    result = score(predictions_of([0, 1, 2, 0, 1, 2], [0] * 6, list("aabbcc")), CONFIG)
    assert result.per_class["sad"].precision == 0
    assert result.macro_precision == pytest.approx(1 / 9)


@pytest.mark.filterwarnings("error")
def test_emotion_that_the_test_lacks_gets_no_figure_and_no_warning_of_a_library():
    predictions = predictions_of([0, 0, 1, 1], [0, 0, 1, 1], list("aabb"))
    result = score(predictions, CONFIG)
    sad = result.per_class["sad"]
    assert (sad.num_videos, sad.precision, sad.recall, sad.f1, sad.f1_ci95) == (0, None, None, None, None)
    assert result.balanced_accuracy == 1
    low, high = result.accuracy_ci95
    assert low < 0.2 and high == 1
    assert measure_calibration(predictions.calibrated, predictions.labels)["log_loss"] > 0


def test_interval_of_independent_videos_is_that_of_the_binomial():
    _, limits = mean_with_interval(np.arange(200) < 140, np.arange(200).astype(str), make_config())
    half_width = 1.96 * np.sqrt(0.7 * 0.3 / 200)
    assert limits == pytest.approx([0.7 - half_width, 0.7 + half_width], abs=0.015)


def test_interval_is_wider_where_the_videos_of_a_walker_agree():
    walkers = np.repeat(np.arange(10), 8).astype(str)

    def width(rights: np.ndarray) -> float:
        _, (low, high) = mean_with_interval(rights, walkers, CONFIG)
        return high - low

    assert width(np.repeat([0, 1], 40)) > 0.5
    assert width(np.random.default_rng(0).permutation(np.tile([0, 1], 40))) < 0.3


@pytest.mark.parametrize(
    ("rights", "walkers"), [([1] * 8, 8), ([0] * 8, 8), ([1, 0, 0, 0] * 2, 2), ([1, 0], 1)]
)
def test_walkers_who_score_alike_are_not_certainty(rights, walkers):
    names = np.repeat(np.arange(walkers), len(rights) // walkers).astype(str)
    _, (low, high) = mean_with_interval(rights, names, CONFIG)
    share = np.mean(rights)
    if share in (0, 1):
        exact = stats.binomtest(round(share * walkers), walkers).proportion_ci()
        assert (low, high) == pytest.approx((exact.low, exact.high))
    assert low <= share <= high
    assert high - low > 0.3


def test_paired_comparison_is_narrower_than_two_intervals():
    rng = np.random.default_rng(0)
    walkers = np.repeat(np.arange(12).astype(str), 10)
    skill, draw = np.repeat(rng.uniform(0.2, 0.9, 12), 10), rng.random(120)
    better, worse = (draw < skill + 0.1).astype(float), (draw < skill).astype(float)
    difference, (low, high) = mean_with_interval(better - worse, walkers, CONFIG, lowest=-1)
    _, (low_one, high_one) = mean_with_interval(better, walkers, CONFIG)
    assert difference == pytest.approx(better.mean() - worse.mean())
    assert 0 < low < difference < high and high - low < (high_one - low_one) / 2


def test_no_difference_anywhere_is_not_certainty():
    difference, (low, high) = mean_with_interval(np.zeros(40), np.repeat(np.arange(10), 4), CONFIG, lowest=-1)
    assert difference == 0 and -0.4 < low < -0.2 and 0.2 < high < 0.4


def test_only_common_videos_are_compared():
    first = random_predictions(0).rights()
    other = (1 - first)[first.index.get_level_values("walker") != "w5"]
    found = compare_rights(first, other, CONFIG)
    assert found.num_videos == 66


def test_few_walkers_can_show_nothing_and_comparisons_are_corrected():
    walkers = np.repeat(["a", "b", "c"], 4)
    assert sign_flip_test(np.ones(12), walkers, CONFIG) == pytest.approx(2 / 2**3)
    assert sign_flip_test(np.zeros(12), walkers, CONFIG) == 1.0
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06]) and holm([]) == []


@pytest.mark.parametrize("seed", range(2))
def test_knowing_the_walker_is_not_better_than_chance(seed):
    rng = np.random.default_rng(seed)
    walkers = np.repeat(np.arange(10), 8)
    labels = np.where(rng.random(80) < 0.7, walkers % 3, rng.integers(0, 3, 80))
    assert permutation_p(labels, walkers % 3, walkers, CONFIG) == 1.0
    assert permutation_p(labels, labels, walkers, CONFIG) < 0.01


def test_p_values_of_guesses_are_uniform():
    rng, walkers = np.random.default_rng(1), np.repeat(np.arange(6), 10)
    config = make_config(num_resamples=100)
    drawn = [(rng.integers(0, 3, 60), rng.integers(0, 3, 60)) for _ in range(100)]
    values = np.array([permutation_p(*pair, walkers, config) for pair in drawn])
    assert (values <= 0.1).mean() < 0.2 and 0.4 < values.mean() < 0.7


def draw(seed: int, number: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    """Draw probabilities, and labels that follow them exactly."""
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.full(3, 0.8), number)
    labels = (rng.random((number, 1)) > probabilities.cumsum(axis=1)).sum(axis=1)
    return probabilities, np.minimum(labels, 2)


def test_honest_confidence_scores_near_zero_and_boasting_does_not():
    probabilities, labels = draw(2)
    boasting = probabilities**4 / (probabilities**4).sum(axis=1, keepdims=True)
    honest, boasted = (measure_calibration(one, labels) for one in (probabilities, boasting))
    assert boasted["log_loss"] > honest["log_loss"] and boasted["brier_score"] > honest["brier_score"]
    assert honest["brier_score"] == pytest.approx(
        ((probabilities - np.eye(3)[labels]) ** 2).sum(axis=1).mean()
    )


def make_data(num_walkers: int = 6, num_folds: int = 0, emotions=EMOTIONS, walker: str = "w") -> RunData:
    rows = [
        (f"{emotion}/w{number}_{take}.mp4", emotion, f"{walker}{number}", f"{emotion}{number}{take}", number)
        for emotion in emotions
        for number in range(num_walkers)
        for take in (1, 2)
    ]
    videos = pd.DataFrame(rows, columns=["video", "emotion", "walker", "digest", "number"])
    videos["fold"] = videos["number"] % num_folds + 1 if num_folds else 0
    videos["split"] = np.where(videos["fold"] == 1 if num_folds else videos["number"] < 3, "test", "train")
    videos = videos.assign(num_clips=2, path=videos["video"], agreement=0.6, reference="")
    return RunData(videos, pd.DataFrame(columns=["video", "reason"]), make_config(folds=num_folds))


def judge(data: RunData, fold: int, seed: int, share_right: float) -> tuple[FitScore, Predictions]:
    """Return the answers of a model that is right so often, beside a baseline that is always right."""
    is_mine = data.videos["fold"] == fold if data.config.folds else data.videos["split"] == "test"
    videos, rng = data.videos[is_mine].reset_index(drop=True), np.random.default_rng([fold, seed])
    labels = videos["emotion"].map(data.emotions.index).to_numpy()
    said = np.where(rng.random(len(labels)) < share_right, labels, (labels + 1) % 3)
    videos = videos.assign(
        temperature=1.0 + fold, said_majority=data.emotions[0], said_box_forest=videos["emotion"]
    )
    answers = with_answers(videos, data.emotions, 0.2 + 0.4 * np.eye(3)[said])
    rest = {"test_walkers": sorted(set(videos["walker"])), "num_videos": len(videos), "best_epoch": 4}
    rest |= {"model": "gait_forest" if fold < 3 else "gait_logistic", "accuracy": answers.is_right.mean()}
    return FitScore(fold=fold, seed=seed, temperature=1.0 + fold, **rest), answers


def combine_all(judged, data: RunData, config):
    """Combine what models of some folds and seeds said; the first seed's answers are scored."""
    first = [answers.videos for fit, answers in judged if fit.seed == 0]
    predictions = Predictions(pd.concat(first, ignore_index=True), data.emotions)
    return combine(predictions, [fit for fit, _ in judged], config)


@pytest.fixture()
def crossed():
    data, config = make_data(num_folds=3), make_config(folds=3, seeds=2, num_resamples=300)
    judged = [judge(data, fold, seed, 0.7) for fold in (1, 2, 3) for seed in (0, 1)]
    return combine_all(judged, data, config), judged, data, config


def test_every_video_counts_once_by_the_first_seed(crossed):
    evaluation, judged, data, _ = crossed
    assert evaluation.predictions.videos["video"].tolist() == data.rows("judged")["video"].tolist()
    right = sum(answers.is_right.sum() for _, answers in judged[::2])
    assert evaluation.test.accuracy == pytest.approx(right / len(data.videos))
    assert evaluation.chosen == "gait_forest"
    seeds = [(fit.fold, fit.seed) for fit in evaluation.fits]
    assert seeds == [(1, 0), (1, 1), (2, 0), (2, 1), (3, 0), (3, 1)]
    assert [fold.model for fold in evaluation.folds] == ["gait_forest", "gait_forest", "gait_logistic"]
    assert evaluation.folds[2].test_walkers == ["w2", "w5"]


def test_ladder_holds_every_baseline_and_the_lead_over_it(crossed):
    evaluation = crossed[0]
    assert set(evaluation.baselines) == {"chance", "majority", "box_forest", "rater_ceiling"}
    best = evaluation.baselines["box_forest"]
    assert best.difference == pytest.approx(evaluation.test.accuracy - 1) and best.difference_ci95[1] < 0
    assert evaluation.baselines["rater_ceiling"].accuracy == pytest.approx(0.6)
    ladder = evaluation.ladder().set_index("name")
    assert set(ladder.index) == {*evaluation.baselines, "gait_forest"}
    assert ladder["accuracy"].is_monotonic_decreasing and np.isnan(ladder.loc["gait_forest", "lead"])


@pytest.mark.parametrize(("num_folds", "emotions"), [(0, EMOTIONS), (3, ("-007", "1e3", "NA"))])
def test_written_by_contract_and_read_back(num_folds, emotions, tmp_path, monkeypatch):
    monkeypatch.setattr(results_module, "gait_table", lambda data: pd.DataFrame())
    data = make_data(num_folds=num_folds, emotions=emotions, walker="00")
    config = make_config(folds=num_folds, num_resamples=100)
    judged = [judge(data, fold, 0, 0.7) for fold in range(1, max(2, num_folds + 1))]
    evaluation = combine_all(judged, data, config)
    evaluation.effects = pd.DataFrame({"parameter": ["speed"], "effect": [0.5]})
    write_results(tmp_path, evaluation, data, config)
    results = json.loads((tmp_path / "results.json").read_text())
    assert {"schema_version", "config", "versions", "git_commit", "data", "duration_seconds"} <= set(results)
    assert {"accuracy", "accuracy_ci95", "per_class", "labels", "baselines"} <= set(results["test"])
    assert set(results["baselines"]["majority"]) >= {"accuracy", "accuracy_ci95"}
    assert results["chosen"] == "gait_forest" and ("folds" in results) == bool(num_folds)
    again = read_evaluation(tmp_path)
    assert again.model_dump() == evaluation.model_dump()
    pd.testing.assert_frame_equal(again.predictions.to_table(), evaluation.predictions.to_table())
    assert again.predictions.calibrated == pytest.approx(evaluation.predictions.calibrated)
    assert again.effects.equals(evaluation.effects)


@pytest.mark.parametrize("is_own", [True, False])
def test_commit_is_that_of_the_projects_own_repository(is_own, tmp_path, monkeypatch):
    project = tmp_path if is_own else tmp_path / "EmotionGait-main"
    (project / "notebooks").mkdir(parents=True)
    (tmp_path / "notes.txt").write_text("x")
    who = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    for command in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "unrelated"]):
        subprocess.run(["git", "-C", tmp_path, *command], check=True)
    monkeypatch.chdir(project)
    commit = git_commit()
    assert commit is not None and len(commit) == 40 if is_own else commit is None


@pytest.mark.parametrize("num_folds", [0, 3])
def test_leaking_split_shares_walkers_and_tests_judged_videos_only(num_folds):
    data, config = make_data(num_folds=num_folds), make_config(folds=num_folds)
    leaking = leaking_split(data, config)
    test, train = leaking.rows("test"), leaking.rows("train")
    assert set(test["walker"]) & set(train["walker"])
    assert set(test["digest"]) <= set(data.rows("judged")["digest"]) - set(train["digest"])
    assert set(test["emotion"]) == set(EMOTIONS)
    assert len(leaking.rows("validation")) > 0


def test_oracle_knows_synthetic_walks_only(tmp_path):
    truth = sample_truth(range(8))
    truth.to_csv(tmp_path / TRUTH_NAME, index=False)
    videos = truth[["emotion", "walker"]].assign(path=[str(tmp_path / name) for name in truth["video"]])
    is_test = videos["walker"].isin(["walker06", "walker07"])
    said = predict_oracle(videos[~is_test], videos[is_test], 0)
    assert (said == videos[is_test]["emotion"]).mean() > 0.6
    assert predict_oracle(videos[~is_test], videos[is_test].assign(path="/nowhere/happy/a_1.mp4"), 0) is None


@pytest.mark.parametrize("is_relative", [True, False])
def test_planted_effect_is_found_whoever_walks(is_relative, monkeypatch):
    """Happy walks are faster by one unit; walkers differ by ten, which hides it unless they are compared."""
    rng = np.random.default_rng(0)
    names = results_module.GAIT_PARAMETERS["name"][:2].tolist()
    rows = [
        {"walker": f"w{walker}", "emotion": emotion, "video": f"{emotion}{walker}{take}", "is_valid": True}
        | {names[0]: 10 * (walker % 5) + (emotion == "happy") + rng.normal(0, 0.5), names[1]: 1.0}
        for walker in range(20)
        for emotion in (EMOTIONS if is_relative else EMOTIONS[walker % 3 : walker % 3 + 1])
        for take in (1, 2)
    ]
    rows.append({**rows[0], names[0]: 1e6, "is_valid": False})
    monkeypatch.setattr(results_module, "gait_table", lambda data: pd.DataFrame(rows))
    table = effect_sizes(None, CONFIG).set_index(["emotion", "parameter"])
    happy = table.loc[("happy", names[0])]
    assert happy["is_relative"] == is_relative
    assert (happy["low"] > 1) == is_relative
    assert np.isnan(table.loc[("happy", names[1]), "effect"])
    assert {"title", "unit", "family", "num_walkers"} <= set(table)


def test_finished_run_holds_the_whole_evaluation(trained):
    evaluation = read_evaluation(trained.folder)
    names = {"chance", "majority", "speed_only", "box_forest", "background_only", "oracle", "cnn_lstm"}
    assert names | {"gait_forest", "gait_logistic"} == set(evaluation.baselines)
    assert evaluation.leak_lesson.num_videos > 0 and evaluation.ablation and len(evaluation.effects)
    assert evaluation.fits[0].reason and evaluation.chosen == evaluation.fits[0].model
    table = pd.read_csv(trained.folder / "gait_parameters.csv")
    assert {"video", "walker", "bout", "is_valid", "cadence_steps_per_min"} <= set(table)
