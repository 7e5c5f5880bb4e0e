"""Where a result comes from: versions, commit, and how long each step took."""

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

from gaitlib.files import project_dir, read_json, write_json

_PACKAGES = ("gaitlib", "tensorflow", "keras", "numpy", "scikit-learn", "opencv-python-headless", "av")


def record_step(run_dir: Path, step: str, seconds: float) -> None:
    """Note in `steps.json` that a step has reached its end, and how long it took."""
    write_json(run_dir / "steps.json", {**step_durations(run_dir), step: round(seconds, 1)})


def step_durations(run_dir: Path) -> dict[str, float]:
    """Return the seconds that each finished step took."""
    path = run_dir / "steps.json"
    return read_json(path) if path.exists() else {}


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that shape the result."""
    return {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}}


def git_commit() -> str | None:
    """Return the commit of the project's own checkout, with ``+`` if it was changed; None outside one.

    A project that was unpacked below another repository has no commit of its own.
    """
    project = project_dir()

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(project), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != project.resolve():
            return None
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.SubprocessError):
        return None
