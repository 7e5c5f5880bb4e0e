"""Running the project as users do: in processes of its own, or where that adds nothing in this one."""

import contextlib
import io
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

PROJECT = Path(__file__).parents[1]


def run_python(
    *arguments: object, timeout: float = 1200, **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run Python in the project's folder to its end; keyword settings are environment variables."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=PROJECT,
        env={**os.environ, **settings},
    )


def run_gaitlib(*arguments: object, **settings: str) -> subprocess.CompletedProcess[str]:
    return run_python("-m", "gaitlib", *arguments, **settings)


def run_here(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command in this process, which has its libraries at hand, as ``python -m gaitlib`` would."""
    from gaitlib.cli import main

    out, err, code, before = io.StringIO(), io.StringIO(), None, sys.argv
    with contextlib.chdir(PROJECT), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        sys.argv = ["gaitlib", *map(str, arguments)]
        try:
            main()
        except SystemExit as end:
            code = end.code
        finally:
            sys.argv = before
    if isinstance(code, str):
        err.write(f"{code}\n")
    return subprocess.CompletedProcess(
        arguments, 1 if isinstance(code, str) else code or 0, out.getvalue(), err.getvalue()
    )


def start_python(code: str, *arguments: object, **settings: str) -> subprocess.Popen[str]:
    """Start a script in a session of its own, to be killed with its workers by `kill_hard`."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=PROJECT,
        env={**os.environ, **settings},
        start_new_session=True,
    )


def kill_hard(process: subprocess.Popen[str]) -> None:
    """End a process and its workers with SIGKILL, which none of them can answer."""
    os.killpg(process.pid, 9)
    process.communicate()


def wait_until(
    condition: Callable[[], bool], process: subprocess.Popen[str] | None = None, seconds: float = 90
) -> None:
    """Wait until a condition holds; fail if that takes too long or the process ends before."""
    end = time.monotonic() + seconds
    while not condition():
        if process is not None and process.poll() is not None:
            raise AssertionError(f"The process ended too early:\n{process.communicate()[0]}")
        if time.monotonic() > end:
            raise AssertionError("It took too long.")
        time.sleep(0.005)


def is_one_sentence(process: subprocess.CompletedProcess[str]) -> bool:
    """Tell whether stderr holds nothing but one line of the program's own."""
    lines = process.stderr.splitlines()
    return len(lines) == 1 and lines[0].startswith("gaitlib: ") and "Traceback" not in process.stderr
