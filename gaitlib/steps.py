"""The main job without notebooks: train and evaluate from the command line."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gaitlib import multi_worker
from gaitlib.config import InputError, RunConfig, make_config
from gaitlib.files import hold_lock, make_folder, temporary_folder, write_json
from gaitlib.fitting import fit_table, judge_fits, judge_model, train_fits
from gaitlib.folds import list_fits
from gaitlib.preparation import prepare_data, prepare_test
from gaitlib.pretraining import check_unseen
from gaitlib.results import Evaluation, combine, write_results
from gaitlib.rundata import RunData, load_data
from gaitlib.runfolder import check_free, default_out, new_run
from gaitlib.saving import load_model
from gaitlib.tables import describe_scores
from gaitlib.team import find_team
from gaitlib.training import train_model
from gaitlib.wording import spread_over_fits


def train_run(
    videos_dir: Path,
    videos_test_dir: Path,
    config: RunConfig,
    out: Path | None,
    labels: Path | None,
) -> str:
    """Prepare, train, save and evaluate; where `TF_CONFIG` names several machines, together with them.

    The first of them is the chief, who prepares the videos and writes the run folder.

    Parameters
    ----------
    videos_dir, videos_test_dir : Path
    config : RunConfig
    out : Path, optional
        The run folder; by default ``reports/`` and the date and time.
    labels : Path, optional

    Returns
    -------
    str
        Layers and scores, to print.

    Raises
    ------
    InputError
        If the videos, labels or folder cannot be used.
    """
    out = out or default_out()
    if team := find_team():
        if team.is_chief:
            check_free(out.absolute())  # before the others wait for it
        multi_worker.join(team, config)
    if multi_worker.is_helper():
        return _help(videos_dir, videos_test_dir, config, labels)
    with new_run(out.absolute()) as work:
        data = prepare_data(videos_dir, videos_test_dir, config, labels)
        multi_worker.wait_for_all()
        data.save(work)
        write_json(work / "config.json", config.model_dump())
        results = train_fits(data, config, work)
        evaluation = combine(judge_fits(data, config, work), data, config)
        write_results(work, evaluation, data, config)
        trainings = fit_table(data, config, work).to_string(index=False, float_format="{:.2f}".format)
    layers: list[str] = []
    results[0].model.summary(print_fn=layers.append)
    return "\n".join(
        [
            *layers,
            trainings,
            *describe_data(data),
            "",
            describe_scores(evaluation.test),
            spread_over_fits(evaluation.seeds, evaluation.folds),
            f"\nRun folder: {out}",
        ]
    )


def _help(videos_dir: Path, videos_test_dir: Path, config: RunConfig, labels: Path | None) -> str:
    """Train together with the chief, whose prepared videos lie in the shared cache."""
    print("Helping the first worker, who prepares the videos and writes the run folder.", flush=True)
    multi_worker.wait_for_all()
    data = prepare_data(videos_dir, videos_test_dir, config, labels)
    for fit in list_fits(data, config):
        train, validation = (fit.data.clip_set(split, fit.config) for split in ("train", "validation"))
        train_model(train, validation, fit.config, data.emotions)
    return "Done: the first worker evaluates and writes the run folder."


def evaluate_run(
    model_path: Path,
    videos_test_dir: Path,
    out: Path | None,
    labels: Path | None,
    settings: Mapping[str, Any],
    trust_model: bool = False,
) -> str:
    """Test a saved model on labelled videos.

    The run folder beside the model tells who trained it: their walkers must not be in the test.

    Parameters
    ----------
    model_path, videos_test_dir : Path
    out : Path, optional
        Where predictions and results go.
    labels : Path, optional
    settings : mapping
        What to set otherwise than in the training: `allow_shared_walkers`, `scheduler` and
        `missing_reference`; `relative_to` where the user named it, which must be the model's.
    trust_model : bool
        Whether to open a model file that its folder does not vouch for.

    Returns
    -------
    str
        The scores, to print.

    Raises
    ------
    InputError
        If the model, its run folder or the videos cannot be used.
    """
    model, card = load_model(model_path, trust_model)
    trained_with = card["config"]["relative_to"]
    if settings.get("relative_to", trained_with) != trained_with:
        raise InputError(
            f"{model_path} was trained with relative_to={trained_with} and can be tested in that way only: "
            "leave out --relative-to, or train another model."
        )
    config = make_config(**{**card["config"], **settings, "folds": 0, "seeds": 1})
    if not (model_path.parent / "data.json").exists():
        raise InputError(
            f"{model_path.parent} holds no data.json, which says who the model was trained on: evaluate the "
            "model in its run folder."
        )
    data = prepare_test(load_data(model_path.parent), videos_test_dir, config, labels)
    if list(data.emotions) != card["emotions"]:
        raise InputError(
            f"{model_path} knows the emotions {', '.join(card['emotions'])}, but the run in its folder was "
            f"trained on {', '.join(data.emotions)}: put the model back into its own run folder."
        )
    check_unseen(config, data.rows("test"))
    evaluation = combine([judge_model(model, data, config)], data, config)
    if out is not None:
        _write(out, evaluation, data, config)
    return "\n".join([*describe_data(data), "", describe_scores(evaluation.test)])


def describe_data(data: RunData) -> list[str]:
    """Return what must be said of the videos: synthetic, shared walkers, skipped files, warnings."""
    lines = [f"Warning: {warning}" for warning in data.warnings]
    if data.is_demo:
        lines.append(f"Synthetic walkers: {data.num_synthetic} videos were drawn by a program.")
    if data.shared_walkers:
        shared = ", ".join(data.shared_walkers)
        lines.append(f"Walkers in training and test: {shared}. The scores do not hold for others.")
    lines += [f"Skipped {row.video}: {row.reason}" for row in data.skipped.itertuples()]
    return lines


def _write(out: Path, evaluation: Evaluation, data: RunData, config: RunConfig) -> None:
    """Write into a folder that may hold other files; `results.json` comes last and says that all is there."""
    make_folder(out)
    busy = f"Another process is writing results to {out} at this moment: choose another --out."
    with hold_lock(out.absolute(), busy), temporary_folder(out, "results") as aside:
        if (out / "results.json").exists():
            raise InputError(f"{out} already holds results: choose another --out, or delete it first.")
        data.save(aside)
        write_results(aside, evaluation, data, config)
        for name in ("data.json", "skipped.csv", "predictions.csv", "results.json"):
            os.replace(aside / name, out / name)
