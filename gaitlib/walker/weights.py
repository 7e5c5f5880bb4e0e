"""The two model files of BlazePose: fetched once at set-up from the package index, checked and kept.

They are published under Apache-2.0 inside the wheel of MediaPipe, whose own dependencies clash with ours.
"""

import importlib.util
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from gaitlib.errors import StorageError
from gaitlib.files import file_digest, write_aside

DETECTOR_FILE, LANDMARK_FILE = "pose_detection.tflite", "pose_landmark_full.tflite"
_DIGESTS = {
    DETECTOR_FILE: "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
    LANDMARK_FILE: "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
}
# The wheel of one system serves all: nothing in it is run.
_PIP_DOWNLOAD = (
    *("-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--python-version", "3.12", "--quiet"),
    *("--platform", "manylinux_2_28_x86_64", "--disable-pip-version-check", "mediapipe==0.10.21"),
)
_REMEDY = "walkers are found by silhouettes until 'python -m gaitlib weights' succeeds"
_NAMED_REMEDY = "let GAITLIB_WEIGHTS name a folder with both files, or unset it"


def weights_dir() -> Path:
    """Return the folder of the model files (``GAITLIB_WEIGHTS`` names another)."""
    named = os.environ.get("GAITLIB_WEIGHTS")
    return Path(named).expanduser() if named else Path(sys.prefix) / "share" / "gaitlib" / "weights"


def weights_problem() -> str:
    """Return in one sentence why keypoints are not available; empty where they are."""
    if importlib.util.find_spec("ai_edge_litert") is None:
        return f"The package ai-edge-litert is missing (not every system has a wheel of it): {_REMEDY}."
    remedy = _NAMED_REMEDY if os.environ.get("GAITLIB_WEIGHTS") else _REMEDY
    for name, digest in _DIGESTS.items():
        path = weights_dir() / name
        if not path.is_file():
            return f"The body model {path} is missing: {remedy}."
        if file_digest(path) != digest:
            return f"The body model {path} is damaged (wrong sha256): {remedy}."
    return ""


def ensure_weights(notify: Callable[[str], object] = print) -> bool:
    """Fetch the model files unless they are there; say so, or why it fails; return whether all is there."""
    problem = weights_problem()
    if problem.startswith("The body model") and not os.environ.get("GAITLIB_WEIGHTS"):
        notify(f"Fetching the body model (BlazePose, inside a wheel of 36 MB) into {weights_dir()}, once.")
        try:
            _fetch()
            problem = weights_problem()
        except (OSError, StorageError, subprocess.SubprocessError, zipfile.BadZipFile, LookupError) as error:
            reason = " ".join(str(error).split())[:300].rstrip(".") or type(error).__name__
            problem = f"The body model could not be fetched ({reason}): {_REMEDY}."
    if problem:
        notify(problem)
    return not problem


def _fetch() -> None:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, *_PIP_DOWNLOAD, "--dest", folder]
        outcome = subprocess.run(command, capture_output=True, text=True, timeout=600)
        if outcome.returncode:
            raise OSError((outcome.stderr.strip() or "pip failed").splitlines()[-1].removeprefix("ERROR: "))
        with zipfile.ZipFile(sorted(Path(folder).glob("*.whl"))[0]) as archive:
            members = {Path(member).name: member for member in archive.namelist()}
            for name, digest in _DIGESTS.items():
                with write_aside(weights_dir() / name) as aside:
                    aside.write_bytes(archive.read(members[name]))
                    if file_digest(aside) != digest:
                        raise OSError(f"{name} has the wrong sha256")
