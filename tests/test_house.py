"""The shape of the package: its rooms, their order, their size, and the spine that a student reads."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
PACKAGE = PROJECT / "gaitlib"
# From left to right; a room imports only rooms before it, and the ground floor.
ROOMS = [
    *("demo", "labels", "video", "walker", "clips", "gait", "data", "models", "training", "evaluation"),
    *("senses", "explain", "predict", "experiments", "report"),
]
GROUND = {"config", "errors", "files"}
LEVELS = dict.fromkeys(GROUND, 0) | {room: place for place, room in enumerate(ROOMS, 1)}
LEVELS |= {"cli": len(ROOMS) + 1, "__main__": len(ROOMS) + 2, "__init__": 0}
# The house is to become smaller yet (9,500 lines): these limits may only fall.
MAX_LINES, MAX_MODULES, MAX_SPINE_LINES = 10_188, 70, 3000


def imported_modules(path: Path) -> set[str]:
    """Return the names of the modules of gaitlib that a file imports anywhere, ``room.module``."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gaitlib"):
            names.add(node.module)
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names if alias.name.startswith("gaitlib")}
    return {name.removeprefix("gaitlib").lstrip(".") for name in names} - {""}


def room_of(module: str) -> str:
    return module.split(".")[0]


def all_modules() -> dict[str, Path]:
    names = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        names[".".join(parts)] = path
    return names


def spine() -> list[str]:
    """Return the reading list in the README: the files between its two marks, in order."""
    text = (PROJECT / "README.md").read_text()
    listed = text.split("<!-- spine:start -->")[1].split("<!-- spine:end -->")[0]
    words = [word.strip("`,.:") for word in listed.split()]
    return [word for word in words if word.endswith(".py")]


@pytest.mark.parametrize("module", all_modules())
def test_rooms_import_only_from_rooms_before_them(module):
    own = room_of(module)
    for other in imported_modules(all_modules()[module]):
        if room_of(other) != own and not {own, room_of(other)} <= GROUND:
            assert LEVELS[room_of(other)] < LEVELS[own], f"{module} imports {other}"


def test_modules_of_a_room_form_no_circle():
    names = all_modules()
    graph = {
        name: {other for other in imported_modules(path) if other in names and other != name}
        for name, path in names.items()
    }
    done: set[str] = set()
    while len(done) < len(graph):
        free = {name for name in graph if name not in done and graph[name] <= done}
        assert free, f"These import one another: {sorted(set(graph) - done)}"
        done |= free


def test_package_keeps_to_its_size():
    paths = all_modules().values()
    assert sum(len(path.read_text().splitlines()) for path in paths) <= MAX_LINES
    assert len(paths) <= MAX_MODULES
    assert len([path for path in paths if path.parent == PACKAGE]) <= 6


def test_spine_is_short_and_stands_alone():
    listed = spine()
    assert len(listed) >= 10
    assert sum(len((PROJECT / path).read_text().splitlines()) for path in listed) <= MAX_SPINE_LINES
    inside = {path.removeprefix("gaitlib/").removesuffix(".py").replace("/", ".") for path in listed}
    known = all_modules()
    for name in inside:
        for other in imported_modules(known[name]):
            # A room's front door (its __init__) is the one way out of the spine to another room.
            is_near = room_of(other) == room_of(name) or other in GROUND
            assert other in inside or is_near or f"{other}.__init__" in known, f"{name} needs {other}"


def test_import_and_help_load_no_heavy_library():
    code = (
        "import sys, gaitlib.cli\n"
        "heavy = {'tensorflow', 'keras', 'cv2', 'sklearn', 'pandas'} & set(sys.modules)\n"
        "sys.exit(f'loaded: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_project_speaks_of_itself_alone():
    command = ["git", "ls-files", "*.py", "*.md", "*.ipynb", "*.toml", "Makefile", ".ci/run"]
    files = subprocess.check_output(command, cwd=PROJECT, text=True).split("\n")
    foreign = [Path("/", "work", "main").as_posix(), Path("..", "shared").as_posix()]
    for name in filter(None, files):
        text = (PROJECT / name).read_text()
        assert not any(words in text for words in foreign), name
