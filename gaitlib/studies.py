"""Optuna studies whose trials are jobs: kept on disk or in a database, resumed, shared, pruned."""

import hashlib
import json
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, JournalStorage, RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from gaitlib.config import ExperimentPlan, InputError
from gaitlib.errors import StorageError, known_sentence

JOURNAL_NAME = "study.journal"
# A training that ended its process so often is not begun again: memory ran out, most likely.
MAX_TRIES = 3
# A job whose machine was not heard of for so long goes to another one.
HEARTBEAT_SECONDS = 20
GRACE_SECONDS = 120
# How long to wait for another process that is writing the list of jobs.
_LISTING_SECONDS = 30.0
_OPENINGS = 4

optuna.logging.set_verbosity(optuna.logging.ERROR)


class Stopped(BaseException):
    """The work stopped, by the user or a full disk: that says nothing about the trial, which stays open."""


def open_storage(plan: ExperimentPlan, out: Path) -> BaseStorage:
    """Open the database of a plan, or its journal in the run folder.

    Raises
    ------
    InputError
        If the database cannot be reached.
    """
    if not plan.storage:
        return JournalStorage(JournalFileBackend(str(_mended(out / JOURNAL_NAME))))
    try:
        return _open_database(plan.storage, _OPENINGS)
    except Exception as error:  # whatever a driver raises, or a driver that is not installed
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"The storage of the experiment cannot be opened: {reason}.") from None


def _open_database(url: str, openings: int) -> RDBStorage:
    """Open a database; two machines that make its tables at the same moment get in each other's way."""
    try:
        with _without_experimental_warnings():
            return RDBStorage(
                url,
                heartbeat_interval=HEARTBEAT_SECONDS,
                grace_period=GRACE_SECONDS,
                heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(
                    inherit_intermediate_values=True
                ),
            )
    except SQLAlchemyError:
        if openings == 1:
            raise
        time.sleep(0.5)
        return _open_database(url, openings - 1)


def open_study(
    storage: BaseStorage, name: str, jobs: Sequence[Mapping[str, Any]], prune: bool
) -> optuna.Study:
    """Open a study in which every job is a waiting trial; one that exists goes on.

    Parameters
    ----------
    storage : BaseStorage
    name : str
    jobs : sequence of mapping
        What each trial must know, kept as its attributes beside its number `job`.
    prune : bool
        Give up trials that are below the median of the others (`optuna.pruners.MedianPruner`).
    """
    pruner = optuna.pruners.MedianPruner() if prune else optuna.pruners.NopPruner()
    try:
        study = optuna.create_study(study_name=name, direction="maximize", storage=storage, pruner=pruner)
    except optuna.exceptions.DuplicatedStudyError:
        study = optuna.load_study(study_name=name, storage=storage, pruner=pruner)
        if not isinstance(storage, JournalStorage):
            _wait_for_listing(study, len(jobs))
    listed = {trial.user_attrs["job"] for trial in study.get_trials() if "job" in trial.user_attrs}
    for number, job in enumerate(jobs):
        if number not in listed:
            study.enqueue_trial({}, user_attrs={**job, "job": number})
    if isinstance(storage, JournalStorage):
        _take_back(study, storage)
    return study


def work_off(study: optuna.Study, do_job: Callable[[Trial], float]) -> None:
    """Do all waiting jobs of a study; a job that fails is recorded with the reason.

    Parameters
    ----------
    study : optuna.Study
    do_job : callable
        Takes a trial and returns its score.
    """

    def do(trial: Trial) -> float:
        if "job" not in trial.user_attrs:  # another process took the last one
            raise optuna.TrialPruned
        try:
            return do_job(trial)
        except optuna.TrialPruned:
            raise
        except (KeyboardInterrupt, StorageError) as error:
            _uncount_try(trial)
            raise Stopped from error
        except Exception as error:
            trial.set_user_attr("reason", _reason(error))
            raise

    try:
        while study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            study.optimize(do, n_trials=1, catch=(Exception,))
    except Stopped as stop:
        raise stop.__cause__ or KeyboardInterrupt from None


def finish(study: optuna.Study, do_job: Callable[[Trial], float]) -> None:
    """Do what is left of a study, and wait for the jobs that other machines are doing."""
    is_told = False
    while True:
        work_off(study, do_job)
        running = len(study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)))
        if not running:
            return
        if not is_told:
            print(
                f"Waiting for {running} trial(s) that another process has begun; what is not heard of for "
                f"{GRACE_SECONDS} s is done here.",
                flush=True,
            )
            is_told = True
        time.sleep(0.5)
        with _without_experimental_warnings():
            optuna.storages.fail_stale_trials(study)


def count_try(trial: Trial, step: int) -> None:
    """Note that a step of a job begins.

    Raises
    ------
    InputError
        If it has begun so often and never ended.
    """
    tries = trial.user_attrs.get(f"tries{step}", 0)
    if tries >= MAX_TRIES:
        raise InputError(
            f"The process ended {tries} times during this training, probably for want of memory: take a "
            "smaller batch_size or frame_size."
        )
    trial.set_user_attr(f"tries{step}", tries + 1)


def _uncount_try(trial: Trial) -> None:
    """Take back what `count_try` noted of the step that is under way: a user who stops it is no crash."""
    known = trial.user_attrs
    for name, tries in known.items():
        if name.startswith("tries") and f"fold{name.removeprefix('tries')}" not in known:
            with suppress(OSError):  # the disk may be full
                trial.set_user_attr(name, tries - 1)


def list_jobs(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials of a study by their jobs' numbers, of each job the last try."""
    jobs = {trial.user_attrs["job"]: trial for trial in study.get_trials() if "job" in trial.user_attrs}
    return [jobs[number] for number in sorted(jobs)]


def make_sampler(method: str, *seeds: int) -> optuna.samplers.BaseSampler:
    """Return the sampler of one trial.

    Each trial has its own seeds, so that a study that was stopped draws as if it had never been stopped.
    """
    seed = int.from_bytes(hashlib.sha256(repr(seeds).encode()).digest()[:4])
    if method == "tpe":
        return optuna.samplers.TPESampler(seed=seed)
    return optuna.samplers.RandomSampler(seed=seed)


def digest_of(*parts: Any) -> str:
    """Return a short digest of plain data, by which a study is found again."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


@contextmanager
def _without_experimental_warnings() -> Iterator[None]:
    """Optuna calls its heartbeat experimental; it is tested here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield


def _mended(path: Path) -> Path:
    """Cut off a last line that a kill left unfinished: nothing could be written after it."""
    if path.exists():
        content = path.read_bytes()
        if content and not content.endswith(b"\n"):
            with path.open("r+b") as stream:
                stream.truncate(content.rfind(b"\n") + 1)
    return path


def _take_back(study: optuna.Study, storage: JournalStorage) -> None:
    """Put jobs that were being done when their process ended back into the queue.

    A journal has one process at a time, so nobody is doing them any more.
    """
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        storage.set_trial_state_values(trial._trial_id, TrialState.WAITING)


def _wait_for_listing(study: optuna.Study, number: int) -> None:
    end = time.monotonic() + _LISTING_SECONDS
    while len(study.get_trials(deepcopy=False)) < number and time.monotonic() < end:
        time.sleep(0.2)


def _reason(error: Exception) -> str:
    """Say in one line why a job failed."""
    text = " ".join(str(error).split())[:300]
    if isinstance(error, InputError):
        return text
    return known_sentence(type(error).__name__, text) or f"{type(error).__name__}: {text}"
