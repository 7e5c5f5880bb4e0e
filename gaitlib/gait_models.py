"""Models that read gait features instead of pictures, as plain Keras layers.

scikit-learn fits them in seconds; what it has learnt is written into Dense layers, so that these models
are saved, checked, loaded and asked like all others, and no file has to be unpickled. A tree becomes two
products (Nakandala et al. 2020, "A tensor compiler for unified machine learning prediction serving"):
every question of the tree is asked at once, and a leaf is reached where all answers on its path are right.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from gaitlib.backend import load_keras
from gaitlib.batches import ClipSet
from gaitlib.config import RunConfig
from gaitlib.gait import motion_features
from gaitlib.gait.classifiers import SOLVER
from gaitlib.relative import relative_features

if TYPE_CHECKING:
    import keras

GAIT_MODEL_NAMES = ("gait_rf", "gait_ensemble")
SCALE_LAYER = "scale"
NUM_TREES = 300
# Bounds the size of the saved model; small data never reaches it.
MAX_LEAVES = 64
# Many features, few videos: the logistic regression needs a firm hand.
INVERSE_PENALTY = 0.03
# Turns the distance from a threshold, in standard deviations, into a plain yes or no.
_SHARPNESS = 1e6


def fit_gait_model(
    name: str,
    features: np.ndarray,
    labels: np.ndarray,
    num_classes: int,
    seed: int,
    class_weight: str | None = None,
) -> "keras.Model":
    """Fit a model on gait features.

    Parameters
    ----------
    name : {"gait_rf", "gait_ensemble"}
        A random forest; or the mean of what extremely randomised trees (Geurts et al. 2006, Machine
        Learning 63) and a logistic regression say, which err in different videos.
    features : ndarray of shape (num_videos, num_features), float
        Missing values are NaN; the mean of these videos stands for them.
    labels : ndarray of shape (num_videos,), int
    num_classes : int
    seed : int
    class_weight : {None, "balanced"}
        Whether all emotions count the same, however many videos show them.

    Returns
    -------
    keras.Model
        From features without gaps (see `fill_gaps`) to class probabilities.

    Examples
    --------
    >>> model = fit_gait_model("gait_rf", np.eye(4), np.arange(4), 4, seed=0)
    >>> model.input_shape, model.output_shape
    ((None, 4), (None, 4))
    """
    keras = load_keras()
    mean, variance = _mean_and_variance(features)
    inputs = keras.Input((features.shape[1],), name="gait_features")
    scale = keras.layers.Normalization(mean=mean, variance=variance, name=SCALE_LAYER)
    values, known = scale(inputs), np.where(np.isnan(features), mean, features)
    scaled = (known - mean) / np.sqrt(variance)
    kind = ExtraTreesClassifier if name == "gait_ensemble" else RandomForestClassifier
    forest = kind(NUM_TREES, max_leaf_nodes=MAX_LEAVES, random_state=seed, class_weight=class_weight)
    answer = _add_forest(values, forest.fit(scaled, labels), num_classes)
    if name == "gait_ensemble":
        logistic = LogisticRegression(C=INVERSE_PENALTY, solver=SOLVER, class_weight=class_weight)
        logistic.fit(scaled, labels)
        other = _add_logistic(values, logistic, num_classes)
        answer = keras.layers.Average(name="emotion")([answer, other])
    return keras.Model(inputs, answer, name=name)


def fit_as_set(
    config: RunConfig, features: np.ndarray, labels: np.ndarray, num_classes: int
) -> "keras.Model":
    """Fit the gait model that a run asks for, with its seed and weights of emotions; see `fit_gait_model`."""
    weight = "balanced" if config.class_weights else None
    return fit_gait_model(config.model, features, labels, num_classes, config.seed, weight)


def gait_inputs(clips: ClipSet) -> np.ndarray:
    """Return the motion features of the videos of a clip set, relative to their references if it has any.

    Returns
    -------
    ndarray of shape (num_videos, num_features), float64
        NaN where unknown.
    """
    if clips.references is None:
        return motion_features(clips.videos)
    features, references = motion_features(clips.videos), motion_features(clips.references.videos)
    return relative_features(features, references, clips.reference_videos)


def fill_gaps(model: "keras.Model", features: np.ndarray) -> np.ndarray:
    """Put the training videos' means in the place of missing values.

    Parameters
    ----------
    model : keras.Model
        From `fit_gait_model`.
    features : ndarray of shape (num_videos, num_features), float

    Returns
    -------
    ndarray of the same shape, float32
        Without NaN.
    """
    mean = np.asarray(model.get_layer(SCALE_LAYER).mean)
    return np.where(np.isnan(features), mean, features).astype(np.float32)


def reads_gait(model: "keras.Model") -> bool:
    """Whether a model takes gait features rather than pictures."""
    return len(model.inputs) == 1 and len(model.inputs[0].shape) == 2


def _mean_and_variance(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and variance of the known values, 0 and 1 for a feature that is never known or constant."""
    is_known = ~np.isnan(features)
    counts = np.maximum(is_known.sum(axis=0), 1)
    mean = np.where(is_known, features, 0).sum(axis=0) / counts
    variance = (np.where(is_known, features - mean, 0) ** 2).sum(axis=0) / counts
    return mean, np.where(variance > 1e-12, variance, 1.0)


def _add_forest(
    values: "keras.KerasTensor", forest: RandomForestClassifier | ExtraTreesClassifier, num_classes: int
) -> "keras.KerasTensor":
    """Write a forest into layers: ask all questions, find the leaf of each tree, average what leaves say."""
    layers = load_keras().layers
    num_trees = len(forest.estimators_)
    num_leaves = int(max(tree.get_n_leaves() for tree in forest.estimators_))
    num_questions = max(1, num_leaves - 1)
    trees = [_tree_weights(tree, num_questions, num_leaves) for tree in forest.estimators_]
    features, thresholds, paths, path_starts, says = (np.stack(part) for part in zip(*trees, strict=True))
    ask = layers.Dense(num_trees * num_questions, activation="hard_sigmoid", name="questions")
    by_tree = layers.Reshape((num_trees, num_questions), name="by_tree")
    find = layers.EinsumDense(
        "btn,tnl->btl", (num_trees, num_leaves), activation="relu", bias_axes="tl", name="leaves"
    )
    flat = layers.Flatten(name="all_leaves")
    say = layers.Dense(num_classes, use_bias=False, name="forest")
    answer = say(flat(find(by_tree(ask(values)))))
    kernel = np.zeros((values.shape[1], num_trees * num_questions), np.float32)
    kernel[features.ravel(), np.arange(features.size)] = -_SHARPNESS
    ask.set_weights([kernel, (thresholds * _SHARPNESS).ravel()])
    find.set_weights([paths, path_starts])
    columns = np.zeros((num_trees * num_leaves, num_classes), np.float32)
    columns[:, forest.classes_] = says.reshape(-1, len(forest.classes_)) / num_trees
    say.set_weights([columns])
    return answer


def _tree_weights(
    tree: DecisionTreeClassifier, num_questions: int, num_leaves: int
) -> tuple[np.ndarray, ...]:
    """Return what a tree asks (feature, threshold), which answers lead to each leaf, and what it says."""
    nodes = tree.tree_
    is_leaf = nodes.children_left < 0
    questions, leaves = np.flatnonzero(~is_leaf), np.flatnonzero(is_leaf)
    feature, threshold = np.zeros(num_questions, int), np.zeros(num_questions)
    feature[: len(questions)] = nodes.feature[questions]
    threshold[: len(questions)] = nodes.threshold[questions]
    path = np.zeros((num_questions, num_leaves))
    # A leaf that this tree does not have is never reached.
    start = np.full(num_leaves, -float(num_questions))
    for column, steps in enumerate(_paths(nodes, leaves)):
        # A yes adds 1 where yes is the way, a no adds nothing where no is: the sum is 1 on the way alone.
        start[column] = 1.0 - sum(is_yes for _, is_yes in steps)
        for node, is_yes in steps:
            path[np.searchsorted(questions, node), column] = 1.0 if is_yes else -1.0
    says = np.zeros((num_leaves, nodes.value.shape[2]))
    counts = nodes.value[leaves, 0]
    says[: len(leaves)] = counts / counts.sum(axis=1, keepdims=True)
    return feature, threshold, path, start, says


def _paths(nodes: Any, leaves: np.ndarray) -> list[list[tuple[int, bool]]]:
    """Return for each leaf the questions on its way and whether the answer is yes (at most the threshold)."""
    above = {int(child): (node, True) for node, child in enumerate(nodes.children_left) if child >= 0}
    above |= {int(child): (node, False) for node, child in enumerate(nodes.children_right) if child >= 0}
    paths = []
    for leaf in leaves:
        steps, place = [], int(leaf)
        while place in above:
            steps.append(above[place])
            place = above[place][0]
        paths.append(steps)
    return paths


def _add_logistic(
    values: "keras.KerasTensor", logistic: LogisticRegression, num_classes: int
) -> "keras.KerasTensor":
    layer = load_keras().layers.Dense(num_classes, activation="softmax", name="logistic")
    answer = layer(values)
    weights, bias = logistic.coef_, logistic.intercept_
    if len(logistic.classes_) == 2:  # scikit-learn keeps one row: what speaks for the second class
        weights, bias = np.vstack([np.zeros_like(weights), weights]), np.array([0.0, bias[0]])
    kernel, start = np.zeros((values.shape[1], num_classes)), np.full(num_classes, -1e9)
    kernel[:, logistic.classes_], start[logistic.classes_] = weights.T, bias
    layer.set_weights([kernel, start])
    return answer
