"""What carries the score: effect sizes of gait parameters, and families of them left out."""

from pathlib import Path

import numpy as np
import pandas as pd

from gaitlib.config import RunConfig
from gaitlib.data import Fit, RunData, list_fits, prepared_rows
from gaitlib.evaluation.intervals import mean_with_interval, walker_interval
from gaitlib.evaluation.judging import learnt_from
from gaitlib.evaluation.scores import AblationScore
from gaitlib.files import write_csv
from gaitlib.gait import GAIT_PARAMETERS, feature_families, measure_gait
from gaitlib.models import describe_each, fit_classifier, gait_inputs, label_shares, predict_classes

# Fitted in milliseconds, so that each family can be left out in each fold.
ABLATED = "gait_logistic"


def gait_table(data: RunData) -> pd.DataFrame:
    """Return the gait parameters of all videos of a run, reference walks too, a row a walking bout.

    Returns
    -------
    DataFrame
        `video`, `walker`, `emotion` and the columns of `gaitlib.gait.measure_gait`, units in their names.
    """
    rows, names = pd.concat([data.videos, data.references], ignore_index=True), ["video", "walker", "emotion"]
    measured = describe_each(prepared_rows(rows), measure_gait)
    tables = dict(zip(rows[names].itertuples(index=False, name=None), measured, strict=True))
    return pd.concat(tables, names=names).reset_index(names).sort_values(["video", "bout"], ignore_index=True)


def write_gait_parameters(data: RunData, run_dir: Path) -> None:
    """Write `gait_table` as ``gait_parameters.csv``."""
    write_csv(run_dir / "gait_parameters.csv", gait_table(data))


def effect_sizes(data: RunData, config: RunConfig) -> pd.DataFrame:
    """Return Hedges' g of each gait parameter for each emotion against the others.

    Where walkers show several emotions, values are relative to the mean of the walker; other walkers are left
    out.

    Returns
    -------
    DataFrame
        `parameter`, `title`, `unit`, `family`, `emotion`, `effect`, `low` and `high` (bootstrap over
        walkers; NaN where unknown), `num_walkers`, `is_relative`.

    References
    ----------
    Hedges 1981, "Distribution theory for Glass's estimator of effect size".
    """
    table = gait_table(data)
    names = [name for name in GAIT_PARAMETERS["name"] if name in table]
    values = table[table["is_valid"]].groupby(["walker", "emotion", "video"])[names].mean().reset_index()
    several = values.groupby("walker")["emotion"].transform("nunique") > 1
    is_relative = values[several]["walker"].nunique() > 1
    if is_relative:
        values = values[several].copy()
        values[names] -= values.groupby("walker")[names].transform("mean")
    parts, emotions = _sums(values, names), sorted(values["emotion"].unique())
    effects, limits = walker_interval(parts, _hedges, config, lowest=None)
    rows = pd.MultiIndex.from_product([emotions, names], names=["emotion", "name"]).to_frame(index=False)
    rows = rows.assign(
        effect=effects, low=limits[0], high=limits[1], num_walkers=len(parts), is_relative=is_relative
    )
    described = GAIT_PARAMETERS[["name", "title", "unit", "family"]]
    return rows.merge(described, on="name").rename(columns={"name": "parameter"})


def _sums(values: pd.DataFrame, names: list[str]) -> np.ndarray:
    """Return number, sum and sum of squares, shape (num_walkers, num_emotions, num_parameters, 3)."""
    walkers, emotions = (pd.Categorical(values[name]) for name in ("walker", "emotion"))
    numbers = values[names].to_numpy(float)
    moments = np.stack([~np.isnan(numbers), np.nan_to_num(numbers), np.nan_to_num(numbers) ** 2], axis=-1)
    parts = np.zeros((len(walkers.categories), len(emotions.categories), *moments.shape[1:]))
    np.add.at(parts, (walkers.codes, emotions.codes), moments)
    return parts


def _hedges(sums: np.ndarray) -> np.ndarray:
    """Return Hedges' g, shape (num, num_emotions * num_parameters); NaN where there is no variation."""
    own, rest = (np.moveaxis(part, -1, 0) for part in (sums, sums.sum(axis=1, keepdims=True) - sums))
    number = own[0] + rest[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        squares = sum(part[2] - part[1] ** 2 / part[0] for part in (own, rest))
        gap = own[1] / own[0] - rest[1] / rest[0]
        effect = gap / np.sqrt(squares / (number - 2)) * (1 - 3 / (4 * number - 9))
    return np.where(np.isfinite(effect), effect, np.nan).reshape(len(sums), -1)


def family_ablation(data: RunData, config: RunConfig) -> list[AblationScore]:
    """Score a logistic regression of gait parameters without each family, and with each alone.

    On held-out walkers, of a cross-validation in every fold.
    """
    families = feature_families(data.body)
    tables = [_ablate(fit, families) for fit in list_fits(data, config) if fit.seed == config.seed]
    rights, scores = pd.concat(tables, ignore_index=True), []
    for family in families:
        without, only = rights[f"without {family}"], rights[f"only {family}"]
        change, interval = mean_with_interval(without - rights["all"], rights["walker"], config, lowest=-1)
        figures = {"without": without.mean(), "only": only.mean(), "difference": change}
        scores.append(AblationScore(family=family, **figures, difference_ci95=interval))
    return scores


def _ablate(fit: Fit, families: dict[str, list[int]]) -> pd.DataFrame:
    """Return a row a test video: its walker, and whether it was recognised by which features (0 or 1)."""
    train = learnt_from(fit).video_set("train", fit.config)
    test = fit.data.video_set("test", fit.config)
    known, unknown = (gait_inputs(videos) for videos in (train, test))
    num_classes, every = len(fit.data.emotions), np.arange(known.shape[1])
    shares, columns = label_shares(train, num_classes), {"all": every}
    for family, places in families.items():
        columns |= {f"without {family}": np.setdiff1d(every, places), f"only {family}": np.array(places)}
    rights = {}
    for name, some in columns.items():
        model = fit_classifier(ABLATED, known[:, some], shares, fit.config.seed)
        said = predict_classes(model, unknown[:, some], num_classes).argmax(axis=1)
        rights[name] = (said == test.labels).astype(float)
    return pd.DataFrame({**rights, "walker": test.walkers})
