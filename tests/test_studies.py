"""Studies: every job is done once, by whoever is there, and a killed process changes nothing."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from commands import kill_hard, run_python, start_python, wait_until

from gaitlib.config import ExperimentPlan, InputError
from gaitlib.studies import (
    JOURNAL_NAME,
    MAX_TRIES,
    count_try,
    finish,
    list_jobs,
    open_storage,
    open_study,
    work_off,
)

# Does jobs whose scores come from Optuna's sampler alone; arguments: folder, number of jobs, seconds of
# each, URL of a database.
WORKER = """
import sys, time
from pathlib import Path
from gaitlib.config import ExperimentPlan
from gaitlib.studies import finish, make_sampler, open_storage, open_study
folder, number, seconds, url = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
study = open_study(open_storage(ExperimentPlan(name="a", storage=url), folder), "a", [{}] * number, False)
def do(trial):
    trial.study.sampler = make_sampler("tpe", 1, trial.user_attrs["job"])
    x, kind = trial.suggest_float("x", -3, 3), trial.suggest_categorical("kind", ["a", "b"])
    time.sleep(seconds)
    print("job", trial.user_attrs["job"], flush=True)
    return -(x - 1) ** 2 - (kind == "b")
finish(study, do)
print("best", study.best_value, flush=True)
"""


def open_journal(folder: Path, jobs: int) -> optuna.Study:
    """Open a study of so many jobs in a folder's journal."""
    return open_study(open_storage(ExperimentPlan(name="a"), folder), "a", [{}] * jobs, prune=False)


def number_of(trial) -> float:
    """Score a job by its number."""
    return float(trial.user_attrs["job"])


def test_every_job_is_done_once_and_reopening_does_none(tmp_path):
    done = []
    finish(open_journal(tmp_path, 4), lambda trial: done.append(trial.user_attrs["job"]) or 1.0)
    assert done == [0, 1, 2, 3]
    finish(open_journal(tmp_path, 4), lambda trial: done.append("again") or 1.0)
    assert done == [0, 1, 2, 3]
    finish(open_journal(tmp_path, 6), lambda trial: done.append(trial.user_attrs["job"]) or 1.0)
    assert done == [0, 1, 2, 3, 4, 5]


def test_failed_job_is_recorded_and_the_others_go_on(tmp_path):
    def fail(trial) -> float:
        number = trial.user_attrs["job"]
        if number == 0:
            raise InputError("These settings fit no video.")
        if number == 1:
            raise MemoryError
        return float("nan") if number == 2 else 1.0

    study = open_journal(tmp_path, 4)
    finish(study, fail)
    jobs = list_jobs(study)
    assert [job.state.name for job in jobs] == ["FAIL", "FAIL", "FAIL", "COMPLETE"]
    assert jobs[0].user_attrs["reason"] == "These settings fit no video."
    assert jobs[1].user_attrs["reason"].startswith("not enough memory")


def test_stopped_job_stays_open(tmp_path):
    def stop(trial) -> float:
        if trial.user_attrs["job"] == 1:
            raise KeyboardInterrupt
        return number_of(trial)

    with pytest.raises(KeyboardInterrupt):
        work_off(open_journal(tmp_path, 3), stop)
    study = open_journal(tmp_path, 3)
    finish(study, number_of)
    assert [job.value for job in list_jobs(study)] == [0.0, 1.0, 2.0]
    assert len(study.trials) == 3


def test_job_that_ends_its_process_is_not_begun_for_ever(tmp_path):
    for _ in range(MAX_TRIES):
        with pytest.raises(SystemExit):
            work_off(open_journal(tmp_path, 1), die)
    study = open_journal(tmp_path, 1)
    finish(study, die)
    assert f"The process ended {MAX_TRIES} times" in list_jobs(study)[0].user_attrs["reason"]


def die(trial) -> float:
    """Begin a training and leave without a word, as a killed process does."""
    count_try(trial, 1)
    raise SystemExit


def test_job_that_the_user_stops_may_be_begun_again_as_often_as_wanted(tmp_path):
    def stop(trial) -> float:
        count_try(trial, 1)
        raise KeyboardInterrupt

    for _ in range(MAX_TRIES + 1):
        with pytest.raises(KeyboardInterrupt):
            work_off(open_journal(tmp_path, 1), stop)
    study = open_journal(tmp_path, 1)
    finish(study, number_of)
    assert [job.value for job in list_jobs(study)] == [0.0]


def test_torn_last_line_of_the_journal_is_mended(tmp_path):
    finish(open_journal(tmp_path, 2), number_of)
    with (tmp_path / JOURNAL_NAME).open("ab") as stream:
        stream.write(b'{"op_code": 6, "trial_id"')
    study = open_journal(tmp_path, 3)
    finish(study, number_of)
    assert [job.value for job in list_jobs(study)] == [0.0, 1.0, 2.0]


def test_killed_search_draws_as_if_it_had_never_stopped(tmp_path):
    for name in ("killed", "straight"):
        (tmp_path / name).mkdir()
    process = start_python(WORKER, tmp_path / "killed", 16, 0.1, "")
    journal = tmp_path / "killed" / JOURNAL_NAME
    wait_until(lambda: journal.exists() and journal.read_text().count('"values":[') >= 12, process)
    kill_hard(process)
    again, straight = (
        run_python("-c", WORKER, tmp_path / name, 16, 0, "", timeout=120) for name in ("killed", "straight")
    )
    assert 1 <= again.stdout.count("job") <= 4, again.stdout + again.stderr
    assert straight.stdout.count("job") == 16
    jobs = [list_jobs(open_journal(tmp_path / name, 16)) for name in ("killed", "straight")]
    assert [job.params for job in jobs[0]] == [job.params for job in jobs[1]]
    assert [job.value for job in jobs[0]] == [job.value for job in jobs[1]]
    assert len({job.params["x"] for job in jobs[0]}) == 16


def find_postgres() -> Path | None:
    """Return the folder of PostgreSQL's server programs, which Debian keeps out of the path."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return next((folder for folder in reversed(folders) if (folder / "postgres").exists()), None)


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """Start a PostgreSQL server of our own and return its URL; as another user, since it refuses root."""
    programs = find_postgres()
    if programs is None:
        pytest.skip("no PostgreSQL server found (initdb, postgres); on Debian: apt-get install postgresql")
    pytest.importorskip("psycopg")
    # Not in pytest's own folder, which no other user may enter.
    folder = Path(tempfile.mkdtemp(prefix="gaitlib_pg_"))
    user = {"user": "nobody"} if os.geteuid() == 0 else {}
    owner = user.get("user") or pwd.getpwuid(os.geteuid()).pw_name
    if user:
        shutil.chown(folder, owner)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/", **user}
    make = [programs / "initdb", "-D", folder / "data", "-U", "gait", "-A", "trust", "--no-sync"]
    subprocess.run([*map(str, make)], check=True, **quiet)
    serve = [programs / "postgres", "-D", folder / "data", "-k", folder, "-c", "listen_addresses="]
    server = subprocess.Popen([*map(str, serve), "-c", "fsync=off"], **quiet)
    try:
        end = time.monotonic() + 60
        ready = [str(programs / "pg_isready"), "-q", "-h", str(folder)]
        while subprocess.run(ready, check=False, **quiet).returncode and time.monotonic() < end:
            time.sleep(0.1)
        yield f"postgresql+psycopg://gait@/postgres?host={folder}"
    finally:
        server.terminate()
        server.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


def share(folder: Path, url: str) -> None:
    """Let two processes do twelve jobs of one study; check that each was done once and both helped."""
    processes = [start_python(WORKER, folder, 12, 0.4, url) for _ in range(2)]
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(outputs)
    done = Counter(line for output in outputs for line in output.splitlines() if line.startswith("job"))
    assert done == {f"job {number}": 1 for number in range(12)}
    assert all("job" in output for output in outputs)
    best = [output.splitlines()[-1] for output in outputs]
    assert best[0] == best[1]
    assert best[0].startswith("best")


def test_two_processes_share_a_study_in_postgresql(database, tmp_path):
    share(tmp_path, database)


def test_two_processes_share_a_study_in_sqlite(tmp_path):
    share(tmp_path, f"sqlite:///{tmp_path / 'study.db'}")


def test_job_of_a_machine_that_died_goes_to_another(tmp_path, monkeypatch):
    monkeypatch.setattr("gaitlib.studies.HEARTBEAT_SECONDS", 1)
    monkeypatch.setattr("gaitlib.studies.GRACE_SECONDS", 2)
    url = f"sqlite:///{tmp_path / 'study.db'}"
    process = start_python(WORKER, tmp_path, 2, 60, url)
    plan = ExperimentPlan(name="a", storage=url)
    study = open_study(open_storage(plan, tmp_path), "a", [{}] * 2, prune=False)
    wait_until(lambda: any(trial.params.get("kind") for trial in study.get_trials()), process)
    kill_hard(process)
    finish(study, number_of)
    jobs = list_jobs(study)
    assert [job.value for job in jobs] == [0.0, 1.0]
    assert len(study.trials) == 3
    assert jobs[0].number == 2


@pytest.mark.parametrize("url", ["nonsense", "nodb://here/x", "postgresql+psycopg://a@127.0.0.1:9/x"])
def test_storage_that_cannot_be_reached(tmp_path, url):
    with pytest.raises(InputError, match="The storage of the experiment cannot be opened: "):
        open_storage(ExperimentPlan(name="a", storage=url), tmp_path)
