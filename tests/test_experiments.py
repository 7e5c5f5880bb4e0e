"""Experiments: nobody tests whom a trial has seen, failures are told, a stopped study goes on."""

from collections import Counter

import pandas as pd
import pytest
import yaml
from commands import PROJECT, kill_hard, run_gaitlib, start_python
from conftest import TINY
from test_evaluation import make_data

from gaitlib.config import make_config
from gaitlib.errors import InputError
from gaitlib.evaluation import holm
from gaitlib.experiments import describe_settings, list_candidates, make_plan, read_plan, run_experiment
from gaitlib.experiments import study as study_module
from gaitlib.experiments.study import ExperimentFolds, make_results


def test_numbers_as_yaml_writes_them(tmp_path):
    path = tmp_path / "look.yaml"
    path.write_text("method: random\nsearch: {learning_rate: {low: 1e-4, high: 1.0e-3, log: true}}\n")
    plan = read_plan(path)
    assert plan.name == "look"
    assert (plan.search["learning_rate"].low, plan.search["learning_rate"].high) == (0.0001, 0.001)
    plan = make_plan({"name": "a", "settings": {"learning_rate": "1e-4"}, "search": {"seed": [1]}})
    assert plan.config_for({}).learning_rate == 0.0001


def test_grid_lists_every_combination_and_settings_read_well():
    plan = make_plan({"name": "a", "search": {"batch_size": [2, 4], "augment": [True, False]}})
    assert len(list_candidates(plan)) == 4 and {"batch_size": 4, "augment": False} in list_candidates(plan)
    settings = {"model": "skeleton_gru", "l2_strength": 0.00012345}
    assert describe_settings(settings) == "model skeleton_gru, l2_strength 0.000123"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"serach": {}}, "Experiment serach: Extra inputs are not permitted"),
        ({"search": {"learning_rat": [1]}}, "Unknown setting 'learning_rat': expected one of "),
        ({"settings": {"epoch": 3}}, "Unknown setting 'epoch': expected one of .* epochs"),
        (
            {"search": {"model": ["cnn_lstn"]}},
            "Setting 'model' is 'cnn_lstn': input should be 'auto', 'cnn_lstm'",
        ),
        ({"search": {"epochs": [3, 0]}}, "Setting 'epochs' is 0: input should be greater than or equal to 1"),
        ({"search": {"epochs": [[1]]}}, "Setting 'epochs' is .1.: input should be a valid integer"),
        ({"search": {"epochs": []}}, "Experiment search.epochs"),
        ({"search": {"epochs": {"low": 1, "high": 3}}}, "A grid needs lists of values"),
        ({"search": {}}, "Experiment search: Dictionary should have at least 1 item"),
        ({"method": "tpe", "search": {"epochs": {"low": 3, "hihg": 1}}}, "Experiment search.epochs"),
        ({"settings": {"folds": 3}}, "is decided by the experiment"),
        ({"method": "tpe", "search": {"epochs": {"low": 3, "high": 1}}}, "low <= high. must hold"),
        ({"inner_folds": 1}, "Experiment inner_folds: Input should be greater than or equal to 2"),
        ({"outer_folds": "many"}, "Experiment outer_folds"),
        ({"name": "../up"}, "Experiment name"),
        ({"search": 3}, "Experiment search"),
    ],
)
def test_what_cannot_be_is_refused(content, message):
    with pytest.raises(InputError, match=message.replace("?", r"\?")):
        make_plan({"name": "a", "search": {"seed": [1]}, **content})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no experiment"),
        (b"- a\n", "holds no experiment"),
        (b"a: [", "is no YAML"),
        (b"a: " + b"[" * 3000, "is no YAML"),
        (b"!!python/object/apply:os.getcwd []\n", "is no YAML"),
        ("name: m\u00fcde".encode("latin-1"), "no YAML in UTF-8"),
    ],
)
def test_faulty_file_is_one_sentence(tmp_path, content, message):
    (path := tmp_path / "plan.yaml").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_plan(path)


@pytest.mark.parametrize("path", sorted((PROJECT / "experiments").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_experiment_of_the_project_can_be_read(path):
    plan = read_plan(path)
    assert plan.name == path.stem and list_candidates(plan)


def plan_folds(num_walkers: int = 10, drops: str = "", **content) -> ExperimentFolds:
    """Make the folds of an experiment whose videos need no preparation; long clips drop a walker."""
    plan = make_plan({"name": "a", "search": {"num_frames": [30, 60]}, **content})

    def prepare(config):
        data = make_data(num_walkers, num_folds=config.folds)
        is_kept = (data.videos["walker"] != drops) | (config.num_frames < 60)
        return type(data)(data.videos[is_kept].reset_index(drop=True), data.skipped, config)

    return ExperimentFolds(plan, prepare)


def walkers_of(fit, *splits) -> set[str]:
    return {walker for split in splits for walker in fit.data.rows(split)["walker"]}


@pytest.mark.parametrize("seed", range(3))
def test_no_trial_sees_a_walker_of_its_outer_fold(seed):
    folds, config = plan_folds(outer_folds=3, inner_folds=3, settings={"seed": seed}), make_config(seed=seed)
    for outer in (1, 2, 3):
        held_out = walkers_of(folds.fits(config)[outer - 1], "test")
        inner = folds.fits(config, outer)
        for fit in inner:
            assert not held_out & walkers_of(fit, "train", "validation", "test")
            assert not walkers_of(fit, "train", "validation") & walkers_of(fit, "test")
            assert not walkers_of(fit, "train") & walkers_of(fit, "validation")
        tested = [walker for fit in inner for walker in walkers_of(fit, "test")]
        assert sorted(tested) == sorted(walkers_of(folds.fits(config)[outer - 1], "train", "validation"))


def test_walkers_stay_in_their_folds_whatever_a_trial_tries():
    folds = plan_folds(outer_folds=3, inner_folds=2, drops="w3")
    configs = make_config(), make_config(seed=5, num_frames=60, batch_size=8)
    for outer, fold in ((0, 1), (2, 1), (3, 2)):
        first, second = (walkers_of(folds.fits(config, outer)[fold - 1], "test") for config in configs)
        assert first - {"w3"} == second


def test_walkers_whom_the_first_candidate_cannot_use_have_no_part():
    """Else one of them could be tested by a model that was chosen with them."""
    search = {"num_frames": [60, 30]}
    folds = plan_folds(outer_folds=3, inner_folds=2, drops="w3", search=search)
    fits = [fit for outer in range(4) for fit in folds.fits(make_config(), outer)]
    assert not any("w3" in walkers_of(fit, "train", "validation", "test") for fit in fits)


def test_too_few_walkers_for_nested_folds_are_refused_at_once():
    with pytest.raises(InputError, match="2 folds need at least 3 walkers"):
        plan_folds(4, outer_folds=2, inner_folds=2)


def trial_of(outer: int, seed: int, walkers: str = "", share: float = 0, reason: str = "") -> dict:
    """Return a trial that answered on eight videos of each walker, a share of them right."""
    videos = [f"{walker}{take}" for walker in walkers for take in range(8)]
    predicted = ["sad" if place < share * len(videos) else "angry" for place in range(len(videos))]
    answers = [
        {"video": video, "walker": video[0], "emotion": "sad", "predicted": said}
        for video, said in zip(videos, predicted, strict=True)
    ]
    trial = {"outer_fold": outer, "settings": {"seed": seed}, "label": f"seed {seed}", "reason": reason}
    return {**trial, "answers": answers, "accuracy": share if answers else None}


def test_settings_that_failed_somewhere_come_after_those_that_did_not():
    trials = [
        {**(best := trial_of(1, 1, "ab", 0.9)), "tested": best["answers"]},
        trial_of(2, 1, reason="No time."),
        trial_of(1, 2, "ab", 0.7),
        trial_of(2, 2, "cd", 0.7),
        trial_of(1, 3, reason="No memory."),
    ]
    plan = make_plan({"name": "a", "search": {"seed": [1, 2, 3]}, "outer_folds": 2})
    results = make_results(plan, trials, make_data())
    assert [entry["settings"]["seed"] for entry in results["ranking"]] == [2, 1, 3]
    assert [entry["reason"] for entry in results["ranking"]] == ["", "No time.", "No memory."]
    assert results["ranking"][2]["accuracy"] is None


def test_differences_are_corrected_for_the_number_of_comparisons():
    trials = [trial_of(1, place, "abcdefghijkl", share) for place, share in enumerate((1.0, 0.0, 1.0))]
    trials[0]["tested"] = trials[0]["answers"]
    plan = make_plan({"name": "a", "search": {"seed": [0, 1, 2]}})
    rows = make_results(plan, trials, make_data())["comparisons"]["rows"]
    assert [row["difference"] for row in rows] == [0, -1]
    assert [row["p_holm"] for row in rows] == pytest.approx(holm([row["p"] for row in rows]))
    assert [row["p_holm"] < 0.05 for row in rows] == [False, True]


SEARCH = {"name": "nested", "method": "tpe", "trials": 3, "outer_folds": 2, "inner_folds": 2}
SEARCH |= {"search": {"learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}, "augment": [True, False]}}


def answer_by_settings(fit) -> list[dict]:
    """Answer at once: the nearer the learning rate to 0.001, the more videos are right."""
    if fit.config.model == "skeleton_gru":
        raise InputError("These settings fit no video.")
    rows = fit.data.rows("test")
    share = 0.9 - abs(float(fit.config.learning_rate) - 0.001) * 50
    said = [one if place < share * len(rows) else "angry" for place, one in enumerate(rows["emotion"])]
    return rows[["video", "walker", "emotion"]].assign(predicted=said).to_dict("records")


@pytest.fixture()
def quick(monkeypatch):
    """Let experiments run on videos that need no preparation, with a model that answers at once."""
    monkeypatch.setattr(study_module, "answer_fit", answer_by_settings)
    prepare = lambda videos, test, config, labels_path: make_data(9, num_folds=config.folds)  # noqa: E731
    monkeypatch.setattr(study_module, "prepare_data", prepare)
    return lambda content, out: run_experiment(make_plan(content), out, out, None, out)


def test_final_score_is_of_walkers_that_no_trial_has_seen(quick, tmp_path):
    results = quick(SEARCH, tmp_path)
    nested = results["nested"]
    tested = [walker for fold in nested["folds"] for walker in fold["test_walkers"]]
    assert len(tested) == len(set(tested)) == nested["num_walkers"] == 9
    table, trials = (pd.read_csv(tmp_path / f"{name}.csv") for name in ("predictions", "trials"))
    assert nested["accuracy"] == pytest.approx((table["emotion"] == table["predicted"]).mean())
    for fold in nested["folds"]:
        own = trials[trials["outer_fold"] == fold["fold"]]
        assert len(own) == 3 and fold["best_score"] == pytest.approx(own["accuracy"].max())
    assert nested["optimism"] == pytest.approx(nested["best_score"] - nested["accuracy"])
    for name in ("accuracy", "best_score", "optimism"):
        low, high = nested[f"{name}_ci95"]
        assert low <= nested[name] <= high


def test_stopped_search_ends_like_one_that_was_not(quick, tmp_path, monkeypatch):
    stopped = Counter()

    def stop_sometimes(fit):
        stopped["fits"] += 1
        if stopped["fits"] in (3, 8):
            raise KeyboardInterrupt
        return answer_by_settings(fit)

    monkeypatch.setattr(study_module, "answer_fit", stop_sometimes)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            quick(SEARCH, tmp_path / "stopped")
    quick(SEARCH, tmp_path / "stopped")
    # A stopped trial is begun again: beside its own fit, at most one finished one is done twice.
    assert stopped["fits"] <= 2 * (3 * 2 + 1) + 2 * 2
    monkeypatch.setattr(study_module, "answer_fit", answer_by_settings)
    quick(SEARCH, tmp_path / "straight")
    tables = [pd.read_csv(tmp_path / name / "trials.csv") for name in ("stopped", "straight")]
    pd.testing.assert_frame_equal(*tables)


def test_more_trials_go_on_and_make_a_new_choice(quick, tmp_path):
    first = quick(SEARCH, tmp_path)
    more = quick({**SEARCH, "trials": 5}, tmp_path)
    assert (first["num_trials"], more["num_trials"]) == (6, 10)
    trials = pd.read_csv(tmp_path / "trials.csv")
    for fold in more["nested"]["folds"]:
        own = trials[trials["outer_fold"] == fold["fold"]]
        assert fold["best_score"] == pytest.approx(own["accuracy"].max())


def test_failed_trial_is_told(quick, tmp_path):
    search = {"model": ["skeleton_gru", "cnn_lstm"]}
    results = quick({**SEARCH, "method": "grid", "search": search}, tmp_path)
    assert [entry["settings"]["model"] for entry in results["ranking"]] == ["cnn_lstm", "skeleton_gru"]
    assert [entry["reason"] for entry in results["ranking"]] == ["", "These settings fit no video."]
    with pytest.raises(InputError, match="No trial succeeded. The first: These settings fit no video."):
        quick({**SEARCH, "method": "grid", "search": {"model": ["skeleton_gru"]}}, tmp_path / "none")


def test_folder_of_another_run_is_left_alone(quick, tmp_path):
    (tmp_path / "results.json").write_text("{}")
    with pytest.raises(InputError, match="holds another run"):
        quick(SEARCH, tmp_path)
    with pytest.raises(InputError, match="The study cannot be opened .*check --storage"):
        quick({**SEARCH, "storage": "mysql://localhost/x"}, tmp_path / "new")


WORKER = f"""
import sys, time
from pathlib import Path
sys.path.insert(0, {str(PROJECT / "tests")!r})
from gaitlib.experiments import study
from test_experiments import SEARCH, answer_by_settings, make_data, make_plan
study.prepare_data = lambda videos, test, config, labels_path: make_data(9, num_folds=config.folds)
def answer(fit):
    time.sleep(float(sys.argv[3]))
    print("begun", flush=True)
    return answer_by_settings(fit)
study.answer_fit = answer
out = Path(sys.argv[1])
study.run_experiment(make_plan({{**SEARCH, "storage": sys.argv[2]}}), out, out, None, out)
"""


@pytest.mark.parametrize("is_shared", [False, True])
def test_killed_search_goes_on_here_or_elsewhere(quick, tmp_path, is_shared):
    url = f"sqlite:///{tmp_path / 'shared.db'}" if is_shared else ""
    outs = [tmp_path / "one", tmp_path / ("other" if is_shared else "one")]
    first = start_python(WORKER, outs[0], url, 0.3)
    printed = [first.stdout.readline() for _ in range(8)]  # two lines a fit
    kill_hard(first)
    second = start_python(WORKER, outs[1], url, 0)
    output = second.communicate(timeout=120)[0]
    assert second.returncode == 0, "".join(printed) + output
    quick(SEARCH, tmp_path / "straight")
    tables = [pd.read_csv(folder / "trials.csv") for folder in (outs[1], tmp_path / "straight")]
    pd.testing.assert_frame_equal(*tables)
    assert output.count("begun") < 2 * 3 * 2 + 2


def test_real_models_are_ranked_on_real_videos(demo_folders, tmp_path):
    """With a reference walk a walker's neutral one is judged by nobody: scores are of fewer classes."""
    search = {"model": ["gait_logistic"], "relative_to": ["none", "reference"]}
    content = {"name": "plain", "outer_folds": 3, "inner_folds": 2}
    plan = make_plan({**content, "settings": TINY, "search": search})
    results = run_experiment(plan, *demo_folders, None, tmp_path / "out")
    scores = [entry["accuracy"] for entry in results["ranking"]]
    assert len(scores) == 2 and scores == sorted(scores, reverse=True)
    assert results["comparisons"]["against"] == results["ranking"][0]["label"]
    for entry in results["ranking"]:
        is_alone = entry["settings"]["relative_to"] == "none"
        assert not entry["reason"] and entry["chance"] == 1 / (3 + is_alone)


def test_the_command_writes_a_page(demo_folders, tmp_path):
    plan = {"name": "tiny", "method": "grid", "outer_folds": 3, "inner_folds": 2}
    plan |= {"search": {"model": ["gait_logistic"]}, "settings": {"num_resamples": 100}}
    plan["storage"] = f"sqlite:///{tmp_path / 'secret.db'}"  # as a password may stand in it
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(plan))
    places = "--videos", demo_folders[0], "--videos-test", demo_folders[1], "--out", tmp_path / "out"
    process = run_gaitlib("experiment", tmp_path / "tiny.yaml", *places)
    assert process.returncode == 0, process.stderr
    page = (tmp_path / "out" / "index.html").read_text()
    assert "gait_logistic" in page and "Synthetic walkers" in page
    assert "secret" not in page + (tmp_path / "out" / "07_experiments.ipynb").read_text()
    assert process.stdout.strip().splitlines()[-1] == f"Page: {tmp_path / 'out' / 'index.html'}"
