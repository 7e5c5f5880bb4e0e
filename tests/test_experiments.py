"""Experiments: nobody tests whom a trial has seen, failures are told, a stopped study goes on."""

import json
import os
import re
from dataclasses import replace
from types import SimpleNamespace

import nbformat
import numpy as np
import optuna
import pandas as pd
import pytest
import yaml
from commands import PROJECT, is_one_sentence, kill_hard, run_gaitlib, run_python, start_python, wait_until
from test_accessibility import RULES, axe
from test_browser import OpenedPage
from test_folds import make_table

from gaitlib.comparison import compare, holm, sign_flip_test
from gaitlib.config import InputError, make_config
from gaitlib.experiment_data import ExperimentData
from gaitlib.experiment_page import make_experiment
from gaitlib.experiment_results import make_results
from gaitlib.experiment_words import difference_sentences, different_videos, unfinished_table
from gaitlib.experiments import Outcome, TrialRecord
from gaitlib.rundata import RunData
from gaitlib.search_space import list_candidates, make_plan, read_plan
from gaitlib.studies import JOURNAL_NAME, open_storage

NOTEBOOK = PROJECT / "notebooks" / "07_experiments.ipynb"
TINY = {
    **{"num_frames": 8, "frame_size": 32, "max_clips_per_video": 2, "epochs": 1, "batch_size": 32},
    **{"num_resamples": 100},
}


def write_plan(folder, **content):
    """Write an experiment as YAML (JSON is YAML too) and return its path."""
    path = folder / "trial.yaml"
    path.write_text(json.dumps({"settings": TINY, **content}))
    return path


def test_numbers_as_yaml_writes_them(tmp_path):
    path = tmp_path / "look.yaml"
    path.write_text("method: random\nsearch: {learning_rate: {low: 1e-4, high: 1.0e-3, log: true}}\n")
    plan = read_plan(path)
    assert plan.name == "look"
    assert plan.search == {"learning_rate": {"low": 0.0001, "high": 0.001, "log": True, "step": None}}


def test_grid_lists_every_combination():
    plan = make_plan({"name": "a", "search": {"batch_size": [2, 4], "augment": [True, False]}})
    assert len(list_candidates(plan)) == 4
    assert {"batch_size": 4, "augment": False} in list_candidates(plan)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"serach": {}}, "Unknown key 'serach' in the experiment. Did you mean 'search'?"),
        ({"search": {"learning_rat": [1]}}, "Unknown setting 'learning_rat'. Did you mean 'learning_rate'?"),
        ({"settings": {"epoch": 3}}, "Unknown setting 'epoch'. Did you mean 'epochs'?"),
        ({"search": {"model": ["cnn_lstn"]}}, "Unknown model 'cnn_lstn' in the experiment. Did you mean"),
        ({"search": {"epochs": [3, 0]}}, "Setting 'epochs' is 0: input should be greater than or equal to 1"),
        ({"search": {"epochs": [[[1]]]}}, "Setting 'epochs' is a list: expected a number"),
        ({"search": {"epochs": []}}, "expected a list of values, or low and high"),
        ({"search": {"epochs": {"low": 1, "high": 3}}}, "A grid needs a list of values for 'epochs'"),
        ({"method": "tpe"}, "Method tpe needs settings to search"),
        ({"method": "tpe", "search": {"epochs": {"low": 3, "high": 1}}}, "low is 3, which is not below high"),
        ({"method": "tpe", "search": {"epochs": {"low": 3, "hihg": 1}}}, "Did you mean 'high'?"),
        (
            {"method": "tpe", "search": {"augment": {"low": False, "high": True}}},
            "no number: list its values",
        ),
        ({"method": "random", "search": {"epochs": [1]}, "inner_folds": 0}, "so it needs inner_folds"),
        ({"settings": {"folds": 3}}, "is decided by the experiment: use outer_folds"),
        ({"search": {"demo_walkers": [8, 9]}}, "must be the same in all trials"),
        ({"settings": {"seed": 1}, "search": {"seed": [1]}}, "leave one of them out"),
        ({"inner_folds": 1}, "expected 0 .nothing is chosen. or at least 2"),
        ({"outer_folds": "many"}, "Experiment's 'outer_folds'"),
        ({"name": "../up"}, "Experiment's 'name'"),
        ({"baseline": {"model": "cnn_lstm"}}, "The baseline .cnn_lstm. is no combination"),
        ({"candidates": [{}], "search": {"epochs": [1]}}, "Give either search or candidates"),
        ({"search": {"epochs": list(range(1, 60)), "seed": list(range(60))}}, "more than 2000"),
    ],
)
def test_what_cannot_be_is_refused(content, message):
    with pytest.raises(InputError, match=message.replace("?", r"\?")):
        make_plan({"name": "a", **content})


@pytest.mark.parametrize("text", ["", "- a\n", "a: [", "!!python/object/apply:os.getcwd []\n", "\x00"])
def test_file_that_holds_no_experiment(tmp_path, text):
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match="holds no experiment|is no YAML"):
        read_plan(path)


def plan_data(num_walkers: int = 10, drops: str = "", **content) -> ExperimentData:
    """Make the folds of an experiment whose videos need no preparation; short clips drop a walker."""
    plan = make_plan({"name": "a", "search": {"num_frames": [30, 60]}, **content})

    def prepare(config) -> RunData:
        videos = make_table(num_walkers)
        return RunData(videos[(videos["walker"] != drops) | (config.num_frames < 60)], pd.DataFrame())

    return ExperimentData(plan, prepare)


def walkers_of(fit, *splits) -> set[str]:
    return {walker for split in splits for walker in fit.data.rows(split)["walker"]}


@pytest.mark.parametrize("seed", range(3))
def test_no_trial_sees_a_walker_of_its_outer_fold(seed):
    data = plan_data(outer_folds=3, inner_folds=3, settings={"seed": seed})
    config = make_config(seed=seed)
    for outer in (1, 2, 3):
        strangers = walkers_of(data.outer_fit(outer, config), "test")
        inner = [data.inner_fit(outer, number, config) for number in (1, 2, 3)]
        for fit in inner:
            assert not strangers & walkers_of(fit, "train", "validation", "test")
            assert not walkers_of(fit, "train", "validation") & walkers_of(fit, "test")
            assert not walkers_of(fit, "train") & walkers_of(fit, "validation")
        tested = [walker for fit in inner for walker in walkers_of(fit, "test")]
        assert sorted(tested) == sorted(walkers_of(data.outer_fit(outer, config), "train", "validation"))


def test_walker_under_two_names_in_both_parts_stops_the_trial():
    data = plan_data(outer_folds=2, inner_folds=2)
    videos = data.first.videos
    known = next(walker for walker, fold in data._outer.items() if fold == 1)
    stranger = next(walker for walker, fold in data._outer.items() if fold == 2)
    videos.loc[videos["walker"] == stranger, "walker"] = known.upper()
    data._outer[known.upper()] = 2
    with pytest.raises(InputError, match="The same walker is in training and test"):
        data.inner_fit(1, 1, data.config)


def test_walkers_stay_in_their_folds_whatever_a_trial_tries():
    data = plan_data(outer_folds=3, inner_folds=2, drops="w3")
    configs = make_config(), make_config(seed=5, num_frames=60, batch_size=8)
    for outer in (1, 2, 3):
        fits = [(data.outer_fit(outer, config), data.inner_fit(outer, 1, config)) for config in configs]
        for first, second in zip(*fits, strict=True):
            assert walkers_of(first, "test") - {"w3"} == walkers_of(second, "test")


def test_too_few_walkers_for_nested_folds_are_refused_at_once():
    with pytest.raises(InputError, match="fewer than 2 are left to learn from"):
        plan_data(6, outer_folds=2, inner_folds=2)


def answers(right: np.ndarray, num_videos: int = 4) -> pd.DataFrame:
    """Return answers of as many walkers as there are rows; a row holds its videos."""
    walkers = np.repeat([f"w{number}" for number in range(len(right))], num_videos)
    digests = [f"d{number}" for number in range(right.size)]
    return pd.DataFrame({"digest": digests, "walker": walkers, "is_right": right.ravel().astype(float)})


def test_real_difference_is_found_and_chance_is_not():
    rng = np.random.default_rng(0)
    base = rng.random((20, 4)) < 0.4
    better, same = base | (rng.random((20, 4)) < 0.5), rng.random((20, 4)) < 0.4
    found = compare(answers(base), [answers(better), answers(same)], 500, 0)
    assert [row["is_real"] for row in found] == [True, False]
    assert found[0]["difference"] == pytest.approx(better.mean() - base.mean())
    assert found[0]["difference_ci95"][0] > 0
    assert found[0]["p_holm"] == pytest.approx(2 * found[0]["p"])


def test_only_common_videos_are_compared():
    base, other = answers(np.ones((6, 4))), answers(np.ones((6, 4)))
    fewer = other[other["walker"] != "w5"].assign(is_right=0.0)
    (row,) = compare(base, [fewer], 200, 0)
    assert (row["num_videos"], row["num_walkers"], row["difference"]) == (20, 5, -1.0)


def test_few_walkers_can_show_nothing():
    assert sign_flip_test(np.ones(12), np.repeat(["a", "b", "c"], 4), 999, 0) == pytest.approx(2 / 2**3)
    assert sign_flip_test(np.zeros(12), np.repeat(["a", "b", "c"], 4), 999, 0) == 1.0


def test_holm_counts_all_comparisons():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


@pytest.fixture(scope="module")
def compared(tmp_path_factory, demo_folders):
    """Compare settings, one of which fits no video, without choosing any."""
    folder = tmp_path_factory.mktemp("compared")
    candidates = [{"num_frames": 500}, {}, {"augment": False}]
    path = write_plan(folder, name="plain", outer_folds=2, inner_folds=0, candidates=candidates, baseline={})
    out = folder / "reports" / "plain"
    arguments = ("--videos", demo_folders[0], "--videos-test", demo_folders[1], "--out", out)
    process = run_gaitlib("experiment", path, *arguments)
    assert process.returncode == 0, process.stderr
    return out, process.stdout


def test_plain_comparison_ranks_all_and_tests_every_walker_once(compared, demo_folders):
    out, stdout = compared
    results = json.loads((out / "results.json").read_text())
    assert [entry["state"] for entry in results["ranking"]] == ["complete", "complete", "failed"]
    assert "a clip needs 33.3 s" in results["ranking"][2]["reason"]
    scores = [entry["accuracy"] for entry in results["ranking"][:2]]
    assert scores == sorted(scores, reverse=True)
    num_videos = sum(len(list(folder.glob("*/*.mp4"))) for folder in demo_folders)
    for entry in results["ranking"][:2]:
        assert entry["num_videos"] == num_videos
        assert entry["num_weights"] > 0
        assert entry["training_seconds"] > 0
        assert entry["ms_per_clip"] > 0
    assert results["comparisons"]["against"] == "the settings as given"
    assert results["comparisons"]["num_comparisons"] == 1
    table = pd.read_csv(out / "predictions.csv")
    assert (table.groupby("settings")["video"].nunique() == num_videos).all()
    right = (table["emotion"] == table["predicted"]).groupby(table["settings"]).mean()
    assert {entry["label"]: entry["accuracy"] for entry in results["ranking"][:2]} == pytest.approx(
        right.to_dict()
    )
    assert stdout.count("fold ") == 4
    assert "Synthetic walkers" in stdout
    assert "nested" not in results


def test_unknown_setting_ends_before_anything_runs(tmp_path):
    path = write_plan(tmp_path, search={"learning_rat": [0.1]})
    process = run_gaitlib("experiment", path, "--out", tmp_path / "out")
    assert process.returncode == 1
    assert is_one_sentence(process)
    assert "Did you mean 'learning_rate'?" in process.stderr
    assert not (tmp_path / "out").exists()


SEARCH = {
    **{"name": "nested", "method": "tpe", "trials": 2, "outer_folds": 3, "inner_folds": 2},
    "search": {"learning_rate": {"low": "1e-4", "high": "1e-2", "log": True}, "augment": [True, False]},
}


@pytest.fixture(scope="module")
def nested(tmp_path_factory, demo_folders):
    """Search, be killed after the first trial, go on; return the folder, what was printed, what was done."""
    folder = tmp_path_factory.mktemp("nested")
    path = write_plan(folder, **SEARCH)
    out = folder / "reports" / "killed"
    arguments = ["experiment", path, "--videos", demo_folders[0], "--videos-test", demo_folders[1]]
    process = start_python("from gaitlib.cli import main; main()", *arguments, "--out", out)
    journal = out / JOURNAL_NAME
    wait_until(lambda: journal.exists() and journal.read_text().count('"fold1"') >= 2, process, 600)
    kill_hard(process)
    before = journal.read_text()
    again = run_gaitlib(*arguments, "--out", out)
    assert again.returncode == 0, again.stderr
    return out, again.stdout, before


def trials_of(out) -> dict[str, list[optuna.trial.FrozenTrial]]:
    """Return the trials of each study in a run folder's journal, by the last word of its name."""
    storage = open_storage(make_plan(SEARCH), out)
    names = optuna.get_all_study_names(storage)
    return {
        name.split()[-1]: optuna.load_study(study_name=name, storage=storage).get_trials() for name in names
    }


def test_killed_search_does_no_finished_trial_again(nested):
    _, stdout, before = nested
    assert before.count('"state":1') >= 1
    lines = [line for line in stdout.splitlines() if line.startswith("outer fold")]
    assert not any("outer fold 1/3, trial 1," in line for line in lines)
    assert len(lines) == 3 * 2 * 2 + 3 - before.count('"answers"')


def test_killed_search_ends_like_one_that_was_not(nested, demo_folders, tmp_path):
    out, _, _ = nested
    plan = make_plan({"settings": TINY, **SEARCH})
    text = make_experiment(plan, *demo_folders, None, tmp_path / "reports" / "straight")
    results = [
        json.loads((run / "results.json").read_text()) for run in (out, tmp_path / "reports" / "straight")
    ]
    assert results[0]["nested"]["confusion_matrix"] == results[1]["nested"]["confusion_matrix"]
    tables = [pd.read_csv(run / "trials.csv") for run in (out, tmp_path / "reports" / "straight")]
    columns = ["outer_fold", "trial", "state", "accuracy", "learning_rate", "augment"]
    pd.testing.assert_frame_equal(tables[0][columns], tables[1][columns])
    assert "no trial had seen" in text


def test_final_score_is_of_walkers_that_no_trial_has_seen(nested):
    out, _, _ = nested
    results = json.loads((out / "results.json").read_text())["nested"]
    studies = trials_of(out)
    for fold in results["folds"]:
        strangers = set(fold["test_walkers"])
        trials = studies[str(fold["fold"])]
        seen = {
            walker
            for trial in trials
            for part in (1, 2)
            for walker in trial.user_attrs[f"fold{part}"]["answers"]["walker"]
        }
        assert strangers
        assert not strangers & seen
        assert fold["best_score"] == max(trial.value for trial in trials)
    tested = [walker for fold in results["folds"] for walker in fold["test_walkers"]]
    assert len(tested) == len(set(tested)) == results["num_walkers"] == 6


def test_optimism_is_the_best_score_less_the_nested_score(nested):
    out, _, _ = nested
    results = json.loads((out / "results.json").read_text())["nested"]
    table = pd.read_csv(out / "predictions.csv")
    right = table["emotion"] == table["predicted"]
    assert results["accuracy"] == pytest.approx(right.mean())
    assert results["best_score"] == pytest.approx(np.mean([fold["best_score"] for fold in results["folds"]]))
    assert results["optimism"] == pytest.approx(results["best_score"] - results["accuracy"])
    for name in ("accuracy", "best_score", "optimism"):
        low, high = results[f"{name}_ci95"]
        assert low <= results[name] <= high


@pytest.mark.parametrize("kind", ["nested", "compared"])
def test_page_opens_offline_for_everybody(browser, request, kind):
    out = request.getfixturevalue(kind)[0]
    opened = OpenedPage(browser, out / "index.html")
    page = opened.page
    assert [url for url in opened.requests if not url.startswith(("file:", "data:"))] == []
    assert opened.complaints == []
    assert page.locator("h1").count() == 1
    assert "Synthetic walkers" in page.locator(".banner").inner_text()
    assert all(len(image.get_attribute("alt")) > 30 for image in page.locator("main img").all())
    for width in (1280, 400):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width + 1
        found = axe.Axe().run(page, options=RULES).response["violations"]
        assert found == [], [(one["id"], [node["html"][:120] for node in one["nodes"][:3]]) for one in found]
    assert ("whom no trial had seen" in page.inner_text("main")) == (kind == "nested")
    page.goto((out.parent / "index.html").as_uri())
    assert re.search("chosen by a search|best of 3", page.inner_text("main"))
    page.close()


def test_notebook_does_the_same(compared, demo_folders, tmp_path):
    """The trainings come from the cache: the notebook's experiment is that of the command."""
    plan = compared[0].parents[1] / "trial.yaml"
    values = {"experiment": plan, "out": tmp_path / "reports" / "stepped"}
    values |= dict(zip(("videos", "videos_test"), demo_folders, strict=True))
    options = [part for name, value in values.items() for part in ("-p", name, value)]
    path = tmp_path / "out.ipynb"
    process = run_python("-m", "papermill", NOTEBOOK, path, "--cwd", PROJECT, *options)
    assert process.returncode == 0, process.stderr
    cells = nbformat.read(path, as_version=4).cells
    shown = "".join(str(output) for cell in cells for output in cell.get("outputs", []))
    assert "a clip needs 33.3 s" in shown
    assert "Nothing was chosen in this experiment" in shown
    results = [json.loads((run / "results.json").read_text()) for run in (compared[0], values["out"])]
    scores = [[entry.get("accuracy") for entry in result["ranking"]] for result in results]
    assert scores[0] == scores[1]


def test_page_of_models_has_every_candidate_and_the_nested_score(nested, tmp_path):
    out, _, _ = nested
    page = tmp_path / "models.md"
    process = run_python("docs/make_models.py", f"{out}=walks", "--write", page)
    assert process.returncode == 0, process.stderr
    text, results = page.read_text(), json.loads((out / "results.json").read_text())
    ranked = [entry for entry in results["ranking"] if "accuracy" in entry]
    assert ranked
    assert all(f"| {entry['label']} | {entry['accuracy']:.1%} |" in text for entry in ranked)
    assert f"{results['nested']['accuracy']:.1%}" in text
    assert "synthetic walkers" in text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: " + "[" * 3000, "is no YAML"),
        ("method: grid\nmethod: tpe\n", "has the key 'method' twice"),
        ("name: m\u00fcde".encode("latin-1"), "save it as UTF-8"),
        (
            {"name": "a", "search": {"batch_size": {"low": 2, "high": 8, "step": 0.5}}},
            "a whole number from 1",
        ),
    ],
)
def test_faulty_plan_is_one_sentence(tmp_path, content, message):
    path = tmp_path / "plan.yaml"
    text = yaml.safe_dump(content) if isinstance(content, dict) else content
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=message):
        read_plan(path)


def test_plan_from_a_pipe_is_refused_and_odd_file_names_are_no_fault(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(InputError, match="no regular file"):
        read_plan(tmp_path / "pipe.yaml")
    (tmp_path / "my exp!.yaml").write_text("search: {model: [cnn_gru]}")
    assert read_plan(tmp_path / "my exp!.yaml").name == "my exp_"


def test_candidates_with_other_classes_are_each_scored_by_their_own(demo_folders, tmp_path):
    """Each walker has one neutral walk: as a reference it is judged by nobody, else it is a class."""
    candidates = [{"model": "gait_rf", "relative_to": way} for way in ("reference", "none", "walker-mean")]
    plan = make_plan(
        {"name": "ways", "outer_folds": 3, "inner_folds": 0, "settings": TINY, "candidates": candidates}
    )
    make_experiment(plan, *demo_folders, None, tmp_path / "out")
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    answers = pd.read_csv(tmp_path / "out" / "predictions.csv")
    assert len(results["ranking"]) == 3
    for entry in results["ranking"]:
        own = answers[answers["settings"] == entry["label"]]
        assert entry["accuracy"] == pytest.approx((own["emotion"] == own["predicted"]).mean())
        assert entry["num_videos"] == len(own)
        is_judged = "neutral" in set(own["emotion"])
        assert is_judged == (entry["settings"]["relative_to"] != "reference")
        assert entry["chance"] == pytest.approx(1 / (4 if is_judged else 3))


def test_shared_study_gives_hopeless_trials_up_and_is_done_once(demo_folders, tmp_path):
    """Five models of gait features, then a network that hardly moves: the database knows it all."""
    candidates = [{"model": "gait_rf", "seed": seed} for seed in range(5)]
    candidates.append({"model": "cnn_lstm", "learning_rate": 1e-12})
    path = write_plan(tmp_path, name="shared", outer_folds=3, inner_folds=2, candidates=candidates)
    url = f"sqlite:///{tmp_path / 'study.db'}"
    arguments = ("--videos", demo_folders[0], "--videos-test", demo_folders[1], "--storage", url)
    tables, outputs = [], []
    for machine in ("here", "there"):
        out = tmp_path / machine / "reports" / "shared"
        process = run_gaitlib("experiment", path, *arguments, "--out", out, timeout=600)
        assert process.returncode == 0, process.stderr
        assert not (out / JOURNAL_NAME).exists()
        outputs.append(process.stdout)
        tables.append(pd.read_csv(out / "trials.csv"))
    pruned = tables[0][tables[0]["state"] == "pruned"]
    assert set(pruned["trial"]) == {6}
    assert len(pruned) == 3
    assert outputs[0].count("inner fold 2/2") == 3 * 5
    assert "fold " not in outputs[1]
    pd.testing.assert_frame_equal(*tables)
    assert "given up" in (out / "index.html").read_text()


def test_more_trials_make_a_new_choice_that_is_tested_anew(demo_folders, tmp_path):
    """The score on strangers is that of the settings beside it, however often the search was prolonged."""
    content = {
        **{"name": "longer", "method": "random", "outer_folds": 3, "inner_folds": 2, "prune": False},
        "settings": {**TINY, "class_weights": False},
        "search": {"model": ["gait_rf", "gait_ensemble"], "seed": {"low": 0, "high": 50}},
    }
    for trials in (1, 4, 2):
        make_experiment(make_plan({**content, "trials": trials}), *demo_folders, None, tmp_path / "out")
        results = json.loads((tmp_path / "out" / "results.json").read_text())
        answers = pd.read_csv(tmp_path / "out" / "predictions.csv")
        assert results["num_trials"] == 3 * trials
        for fold in results["nested"]["folds"]:
            own = answers[answers["walker"].isin(fold["test_walkers"])]
            assert set(own["settings"]) == {fold["label"]}
            assert fold["best_trial"] <= trials
            assert fold["accuracy"] == pytest.approx((own["emotion"] == own["predicted"]).mean())


def test_results_of_another_run_are_not_overwritten(trained, compared, demo_folders, tmp_path):
    before = {path.name: path.read_bytes() for path in trained.folder.glob("*.*")}
    for out, name in ((trained.folder, "plain"), (compared[0], "another")):
        path = write_plan(tmp_path, name=name, outer_folds=2, inner_folds=0, candidates=[{}])
        process = run_gaitlib("experiment", path, "--videos", demo_folders[0], "--out", out)
        assert process.returncode == 1 and is_one_sentence(process)
        assert "holds another run" in process.stderr
    assert {path.name: path.read_bytes() for path in trained.folder.glob("*.*")} == before


def fold_of(walkers: str, share: float) -> dict[str, object]:
    """Return what a fit answered on two videos of each walker, a share of them right."""
    digests = [f"{walker}{take}" for walker in walkers for take in range(8)]
    right = [number < share * len(digests) for number in range(len(digests))]
    answers = {
        "digest": digests,
        "walker": [digest[0] for digest in digests],
        "emotion": ["sad"] * len(digests),
        "predicted": ["sad" if is_right else "angry" for is_right in right],
    }
    return {"answers": answers, "ms_per_clip": 1.0, "num_weights": 1, "training_seconds": 1.0}


def test_settings_given_up_in_some_folds_come_after_those_that_were_not():
    """Else a candidate would be ranked by the one fold in which it did well."""
    records = [
        TrialRecord(1, 1, {"seed": 1}, "complete", 0.9, "", [fold_of("ab", 0.9)]),
        TrialRecord(2, 1, {"seed": 1}, "pruned", None, "", [fold_of("c", 0.1)]),
        TrialRecord(1, 2, {"seed": 2}, "complete", 0.7, "", [fold_of("ab", 0.7)]),
        TrialRecord(2, 2, {"seed": 2}, "complete", 0.7, "", [fold_of("cd", 0.7)]),
    ]
    data = SimpleNamespace(config=make_config(num_resamples=100), first=SimpleNamespace(summary=dict))
    plan = make_plan({"name": "partly", "search": {"seed": [1, 2]}, "outer_folds": 2})
    results = make_results(plan, Outcome(records, [replace(records[3], outer=2)]), data)
    assert [entry["settings"]["seed"] for entry in results["ranking"]] == [2, 1]
    assert "given up in 1 of 2 outer folds" in str(unfinished_table(results).to_dict())
    assert "given up in some outer folds" in different_videos(results)


def test_baseline_without_a_score_is_told():
    records = [
        TrialRecord(0, 1, {"seed": 1}, "failed", None, "No memory.", []),
        TrialRecord(0, 2, {"seed": 2}, "complete", 0.7, "", [fold_of("ab", 0.7)]),
        TrialRecord(0, 3, {"seed": 3}, "complete", 0.5, "", [fold_of("ab", 0.5)]),
    ]
    data = SimpleNamespace(config=make_config(num_resamples=100), first=SimpleNamespace(summary=dict))
    plan = make_plan(
        {"name": "lost", "search": {"seed": [1, 2, 3]}, "inner_folds": 0, "baseline": {"seed": 1}}
    )
    sentences = difference_sentences(make_results(plan, Outcome(records, []), data))
    assert sentences[0] == "The baseline, seed 1, gave no score: the best takes its place."
    assert sentences[1].startswith("1 comparison with seed 2,")


@pytest.mark.parametrize("path", sorted((PROJECT / "experiments").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_experiment_of_the_project_can_be_read(path):
    plan = read_plan(path)
    assert plan.name == path.stem or path.stem in ("gait",)
    assert list_candidates(plan)
