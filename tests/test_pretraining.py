"""Training that starts from the weights of another model."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from gaitlib.config import InputError
from gaitlib.models import build_model
from gaitlib.pretraining import check_unseen, pretrained_path, take_weights
from gaitlib.rundata import load_data
from gaitlib.saving import load_model
from gaitlib.siamese import make_relative
from gaitlib.training import train_model
from gaitlib.trust import DIGESTS_NAME

EMOTIONS = ("angry", "happy", "neutral", "sad")


@pytest.fixture(scope="module")
def source_path(trained):
    """Return the file of a trained model: 8 pictures of 32 x 32."""
    return trained.folder / "model.keras"


@pytest.fixture(scope="module")
def source(source_path):
    """Return the trained model."""
    return load_model(source_path)[0]


def test_same_emotions_take_everything(source, source_path):
    model = build_model("cnn_lstm", 8, 32, 1, 4)
    taken = take_weights(model, source_path, EMOTIONS)
    assert taken == ("edges", "shapes", "over_time", "dense", "emotion")
    assert all(map(np.array_equal, model.get_weights(), source.get_weights()))


def test_other_emotions_get_a_fresh_head(source, source_path):
    model = build_model("cnn_lstm", 8, 32, 1, 4)
    head = model.get_layer("emotion").get_weights()
    taken = take_weights(model, source_path, ("angry", "calm", "neutral", "sad"))
    assert taken == ("edges", "shapes", "over_time", "dense")
    assert all(map(np.array_equal, model.get_layer("emotion").get_weights(), head))
    assert np.array_equal(
        model.get_layer("edges").get_weights()[0], source.get_layer("edges").get_weights()[0]
    )


def test_layers_of_another_size_stay_fresh(source_path):
    model = build_model("cnn_lstm", 8, 48, 1, 4)
    assert "over_time" not in take_weights(model, source_path, EMOTIONS)


def test_model_of_another_kind_is_refused(source_path):
    with pytest.raises(InputError, match=r"'cnn_lstm' whose layers do not fit a 'cnn_gru'.*same 'model'"):
        take_weights(build_model("cnn_gru", 8, 32, 1, 4), source_path, EMOTIONS)


def test_training_starts_from_the_weights_and_is_another_training(
    trained, source, source_path, tiny_config, fresh_cache
):
    data = load_data(trained.folder)
    still = {"learning_rate": 1e-12, "epochs": 1, "seed": 5, "pretrained": str(source_path)}
    config = tiny_config.model_copy(update=still)
    clip_sets = [data.clip_set(split, config) for split in ("train", "validation")]
    result = train_model(*clip_sets, config, data.emotions)
    assert "over_time" in result.layers_taken
    for weight, wanted in zip(result.model.get_weights(), source.get_weights(), strict=True):
        assert np.allclose(weight, wanted, atol=1e-6)
    fresh = train_model(*clip_sets, config.model_copy(update={"pretrained": ""}), data.emotions)
    assert fresh.resumed_epoch == 0
    assert fresh.layers_taken == ()
    assert not np.allclose(fresh.model.get_weights()[0], source.get_weights()[0], atol=1e-3)


def test_people_whom_the_model_knows_are_no_test(trained, source_path, tiny_config):
    config = tiny_config.model_copy(update={"pretrained": str(source_path)})
    data = load_data(trained.folder)
    check_unseen(config, data.rows("test"))
    with pytest.raises(InputError, match="'pretrained' is a model that knows the test: .* copies"):
        check_unseen(config, data.rows("validation"))
    renamed = data.rows("train").assign(digest="another file")
    with pytest.raises(InputError, match=r"knows the test: The same walker"):
        check_unseen(config, renamed)
    check_unseen(config.model_copy(update={"allow_shared_walkers": True}), renamed)


def test_people_whom_an_earlier_model_knows_are_no_test_either(trained, source_path, tiny_config, tmp_path):
    for path in (source_path, source_path.with_name(DIGESTS_NAME)):
        shutil.copy(path, tmp_path)
    others = pd.DataFrame({"video": ["x"], "walker": ["x"], "digest": ["x"], "split": ["train"]})
    (tmp_path / "data.json").write_text(json.dumps({"videos": others.to_dict("records")}))
    (tmp_path / "config.json").write_text(json.dumps({"pretrained": str(source_path)}))
    config = tiny_config.model_copy(update={"pretrained": str(tmp_path / "model.keras")})
    with pytest.raises(InputError, match="knows the test"):
        check_unseen(config, load_data(trained.folder).rows("train"))
    (tmp_path / "data.json").unlink()
    with pytest.raises(InputError, match=r"holds no data\.json"):
        check_unseen(config, others)


def test_missing_model_is_named(tiny_config):
    config = tiny_config.model_copy(update={"pretrained": "gone.keras"})
    with pytest.raises(InputError, match=r"'pretrained' is 'gone\.keras': there is no such file"):
        check_unseen(config, pd.DataFrame())


def test_model_without_its_run_is_refused_before_training(source_path, tiny_config, tmp_path):
    shutil.copy(source_path, tmp_path / "model.keras")
    config = tiny_config.model_copy(update={"pretrained": str(tmp_path / "model.keras")})
    with pytest.raises(
        InputError, match=r"which no run beside it vouches for .*folder of the run"
    ) as refused:
        pretrained_path(config)
    assert "--trust-model" not in str(refused.value)


def test_encoder_of_a_model_that_compares_takes_the_weights_of_one_that_does_not(source, source_path):
    model = make_relative(build_model("cnn_lstm", 8, 32, 1, 4))
    head = model.get_layer("emotion").get_weights()
    assert take_weights(model, source_path, EMOTIONS) == ("edges", "shapes", "over_time", "dense")
    encoder = model.get_layer("encoder")
    for name in ("edges", "over_time", "dense"):
        pairs = zip(encoder.get_layer(name).get_weights(), source.get_layer(name).get_weights(), strict=True)
        assert all(np.array_equal(*pair) for pair in pairs)
    assert all(map(np.array_equal, model.get_layer("emotion").get_weights(), head))
