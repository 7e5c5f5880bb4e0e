"""Nobody trains and tests."""

import numpy as np
import pandas as pd
import pytest

from gaitlib.config import InputError
from gaitlib.splits import check_walkers_disjoint, drop_duplicates, hold_out_walkers, leave_out_walkers


def table(*rows: tuple[str, str, str, str]) -> pd.DataFrame:
    """Return a table of videos from (video, emotion, walker, digest)."""
    return pd.DataFrame(rows, columns=["video", "emotion", "walker", "digest"])


def random_table(seed: int) -> pd.DataFrame:
    """Draw videos of 4 to 20 walkers, each of whom shows two emotions at least."""
    rng = np.random.default_rng(seed)
    rows = []
    for walker in range(rng.integers(4, 21)):
        for emotion in rng.permutation(["angry", "happy", "sad"])[: rng.integers(2, 4)]:
            for take in range(rng.integers(1, 5)):
                name = f"{emotion}/w{walker}_{take}"
                rows.append((name, str(emotion), f"w{walker}", name))
    return table(*rows).sample(frac=1, random_state=seed)


@pytest.mark.parametrize("seed", range(40))
def test_held_out_walkers_are_whole(seed):
    videos = random_table(seed)
    try:
        is_held = hold_out_walkers(videos, 0.25, seed)
    except InputError as error:
        assert "held out" in str(error)
        return
    held, kept = set(videos["walker"][is_held]), set(videos["walker"][~is_held])
    assert held and kept
    assert not held & kept
    assert set(videos["emotion"][~is_held]) == set(videos["emotion"])
    assert check_walkers_disjoint(videos[~is_held], videos[is_held], False) == []


def test_most_random_tables_can_be_split():
    def can_be_split(seed: int) -> bool:
        try:
            return hold_out_walkers(random_table(seed), 0.25, seed).any()
        except InputError:
            return False

    assert sum(can_be_split(seed) for seed in range(40)) >= 38


def test_about_the_wanted_share_is_held_out():
    rows = [(f"{e}/w{w}", e, f"w{w}", f"{e}{w}") for w in range(40) for e in ("happy", "sad")]
    is_held = hold_out_walkers(table(*rows), 0.25, seed=0)
    assert 0.2 <= is_held.mean() <= 0.3


def test_the_seed_alone_decides():
    videos = random_table(5)
    choices = [tuple(hold_out_walkers(videos, 0.25, seed)) for seed in (0, 0, 1, 2, 3)]
    assert choices[0] == choices[1]
    assert len(set(choices)) > 1


def test_one_walker_is_not_enough():
    videos = table(("a_1", "happy", "a", "1"), ("a_2", "sad", "a", "2"))
    with pytest.raises(InputError, match=r"Only 1 walker .* 2 videos.*add videos of other people"):
        hold_out_walkers(videos, 0.25, 0)


@pytest.mark.parametrize("num_walkers", [4, 6, 8])
def test_walkers_who_show_one_emotion_each_can_be_held_out(num_walkers):
    """Fewer videos of each emotion than folds."""
    rows = [(f"v{n}", ("happy", "sad")[n % 2], f"w{n}", f"{n}") for n in range(num_walkers)]
    videos = table(*rows)
    is_held = hold_out_walkers(videos, 0.2, seed=0)
    assert is_held.any()
    assert set(videos["emotion"][~is_held]) == {"happy", "sad"}


def test_emotion_that_nobody_else_shows_is_named():
    videos = table(("a_1", "happy", "a", "1"), ("b_1", "sad", "b", "2"))
    with pytest.raises(InputError, match=r"(happy|sad).*add videos"):
        hold_out_walkers(videos, 0.5, 0)


def test_shared_walker_is_named_with_the_flag():
    train, test = table(("ale_1", "sad", "ale", "1")), table(("ale_2", "sad", "ale", "2"))
    with pytest.raises(InputError, match=r"\(ale\).*--allow-shared-walkers"):
        check_walkers_disjoint(train, test, allow_shared=False)
    assert check_walkers_disjoint(train, test, allow_shared=True) == ["ale"]


def test_many_shared_walkers_are_counted():
    videos = table(*[(f"w{n}", "sad", f"w{n}", f"{n}") for n in range(9)])
    other = videos.assign(digest="x" + videos["digest"])
    with pytest.raises(InputError, match=r"w0, w1, w2, w3, w4 and 4 more"):
        check_walkers_disjoint(videos, other, allow_shared=False)


@pytest.mark.parametrize("allow_shared", [False, True])
def test_same_content_on_both_sides_is_never_allowed(allow_shared):
    train, test = table(("sad/ale_1", "sad", "ale", "1")), table(("sad/bea_7", "sad", "bea", "1"))
    with pytest.raises(InputError, match=r"sad/bea_7 of sad/ale_1.*remove"):
        check_walkers_disjoint(train, test, allow_shared)


def test_copies_on_one_side_are_dropped_with_the_reason():
    videos = table(("a_1", "sad", "a", "1"), ("b_1", "sad", "b", "2"), ("a_2", "sad", "a", "1"))
    kept, dropped = drop_duplicates(videos)
    assert kept["video"].tolist() == ["a_1", "b_1"]
    assert dropped.to_dict("records") == [{"video": "a_2", "reason": "same content as a_1"}]


def test_same_file_with_two_emotions_names_both():
    videos = table(("x/a_1", "sad", "a", "1"), ("y/a_1", "happy", "a", "1"))
    with pytest.raises(InputError, match=r"x/a_1 \(sad\) and y/a_1 \(happy\).*delete one"):
        drop_duplicates(videos)


def test_the_same_walker_spelled_otherwise_is_the_same():
    train, test = table(("a", "sad", "Ale", "1")), table(("b", "sad", "ale ", "2"))
    with pytest.raises(InputError, match="same walker is in training and test"):
        check_walkers_disjoint(train, test, False)


def test_fewer_training_walkers_are_among_more_of_them():
    names = [(f"{emotion}{n}", emotion, f"w{n}", f"{emotion}{n}") for emotion in "abc" for n in range(9)]
    videos = table(*names).assign(split="train")
    is_held = hold_out_walkers(videos, 0.25, 0)
    videos.loc[is_held, "split"] = "test"
    kept = []
    for number in (2, 3, 5, 0):
        left = leave_out_walkers(videos, number, seed=1)
        kept.append(set(left.loc[left["split"] == "train", "walker"]))
        assert (left.loc[is_held, "split"] == "test").all()
        assert len(left) == len(videos)
        assert set(left.loc[left["split"] == "unused", "walker"]).isdisjoint(kept[-1])
    assert [len(walkers) for walkers in kept[:3]] == [2, 3, 5]
    assert kept[0] < kept[1] < kept[2] < kept[3] == set(videos.loc[~is_held, "walker"])


def test_too_few_training_walkers_for_all_emotions_are_named():
    rows = [
        (f"{emotion}{n}", emotion, f"{emotion}{n}", f"{emotion}{n}") for emotion in "ab" for n in range(3)
    ]
    with pytest.raises(InputError, match=r"'training_walkers' is 1, and none of these walkers shows (a|b): "):
        leave_out_walkers(table(*rows).assign(split="train"), 1, seed=0)
