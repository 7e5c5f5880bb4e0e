"""Experiments: nobody tests whom a trial has seen, failures are told, a stopped study goes on."""

import json

import numpy as np
import pandas as pd
import pytest
from commands import is_one_sentence, run_gaitlib

from gaitlib.comparison import compare, holm, sign_flip_test
from gaitlib.config import InputError
from gaitlib.search_space import list_candidates, make_plan, read_plan

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
