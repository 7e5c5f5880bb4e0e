"""Where things are kept, and writing that never leaves half a file where a reader finds it."""

import hashlib
import json
import os
import re
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs
from filelock import FileLock, Timeout
from pydantic_core import to_jsonable_python

from gaitlib.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

_WESTERN = {*"ÀÁÂÃÄÅÆÇÈÉÊËÍÎÏÑÒÓÔÕÖÙÚÛÜßàáâãäåæçèéêëíîïñòóôõöùúûüÿ’‘“”„«»–—€°²³µ¿¡ªº"}
# Ends the names of folders in which something is being written.
ASIDE_SUFFIX = ".gaitlib.tmp"


def cache_dir() -> Path:
    """Return the folder of work that need not be done twice (``GAITLIB_CACHE`` moves it)."""
    named = os.environ.get("GAITLIB_CACHE")
    return Path(named).expanduser() if named else Path(platformdirs.user_cache_dir("gaitlib"))


def project_dir() -> Path:
    """Return the nearest folder, here or above, that holds ``notebooks/``; else the current one."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / "notebooks").is_dir()), here)


def project_path(path: str | Path) -> Path:
    """Return `path` as absolute, a relative one being taken from the project's folder."""
    return project_dir() / Path(path).expanduser()


@contextmanager
def write_aside(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` (a file or folder) that takes its place when the block succeeds."""
    with temporary_folder(path.parent) as folder:
        yield folder / path.name
        os.replace(folder / path.name, path)


@contextmanager
def temporary_folder(parent: Path) -> Iterator[Path]:
    """Give an empty hidden folder that goes when the block ends; only a kill leaves it behind."""
    parent.mkdir(parents=True, exist_ok=True)
    how: Any = {"prefix": ".", "suffix": ASIDE_SUFFIX, "ignore_cleanup_errors": True}
    with tempfile.TemporaryDirectory(dir=parent, **how) as folder:
        yield Path(folder)


@contextmanager
def hold_lock(path: Path, notice: str, wait: bool = False) -> Iterator[None]:
    """Be the only process that makes `path` during the block; the lock ends with its holder, even if killed.

    Where another holds it, print `notice` and `wait`, or raise the notice as an `InputError`.
    """
    lock = FileLock(path.with_name(f".{path.name}.gaitlib.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if not wait:
            raise InputError(notice) from None
        print(notice, flush=True)
        lock.acquire()
    try:
        yield
    finally:
        with suppress(OSError):  # on Windows nobody can remove an open file; there, releasing removes it
            Path(lock.lock_file).unlink()
        lock.release()


@contextmanager
def silence_stderr() -> Iterator[None]:
    """Hide what libraries in C write to stderr, past Python."""
    stderr_copy = os.dup(2)
    with open(os.devnull, "a") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(stderr_copy, 2)
        os.close(stderr_copy)


def write_json(path: Path, content: Any) -> None:
    """Write `content` as indented JSON, whole or not at all; arrays become lists, NaN and infinity null."""
    plain = to_jsonable_python(content, inf_nan_mode="null", fallback=lambda array: array.tolist())
    with write_aside(path) as aside:
        text = json.dumps(plain, indent=2, ensure_ascii=False)
        aside.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")


def read_json(path: Path) -> Any:
    """Read a JSON file, or raise an `InputError` if it is missing or is no JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is missing or damaged ({error}): run the step that writes it.") from error


def write_html(path: Path, template: str = "page.html.j2", **texts: Any) -> None:
    """Write a page that opens offline; of what it is given, `body` is HTML already, all else is escaped."""
    import jinja2
    from pygments.formatters import HtmlFormatter

    loader = jinja2.FileSystemLoader(Path(__file__).with_name("templates"))
    page = jinja2.Environment(loader=loader, autoescape=True).get_template(template)
    texts |= {"here": path.name, "highlighting": HtmlFormatter(style="xcode").get_style_defs(".highlight")}
    with write_aside(path) as aside:
        aside.write_text(page.render(texts), encoding="utf-8", errors="backslashreplace")


def write_csv(path: Path, table: "pd.DataFrame") -> None:
    """Write a table as CSV, whole or not at all; texts cannot act as formulas in a spreadsheet."""
    with write_aside(path) as aside:
        # An apostrophe before what would be run.
        table.replace(r"^(?=[=+\-@\t\r])", "'", regex=True).to_csv(aside, index=False)


def read_csv(path: Path, dtype: Any = str) -> "pd.DataFrame":
    """Read back what `write_csv` wrote, without its apostrophes; an empty cell is an empty text."""
    import pandas as pd

    table = pd.read_csv(path, keep_default_na=False, dtype=dtype)
    return table.replace(r"^'(?=[=+\-@\t\r])", "", regex=True)


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's content in hexadecimal, from memory while the file is unchanged."""
    state = path.stat()
    return _digest(path.absolute(), state.st_size, state.st_mtime_ns)


@cache
def _digest(path: Path, _size: int, _changed: int) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


# What results depend on beside their input, as it is when the program starts: our code, and what computes.
_CODE = [file_digest(path) for path in sorted(Path(__file__).parent.rglob("*.py"))]
_CODE += map(version, ("numpy", "scipy", "scikit-learn"))


def remember(function: Callable, ignored: Sequence[str] = ()) -> Callable:
    """Keep what a function returns in the cache, by its arguments but those `ignored`, and by our code."""

    def remembered(*given: Any) -> Any:
        import joblib

        try:
            memory = joblib.Memory(cache_dir() / "remembered" / joblib.hash(_CODE), verbose=0)
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Unable to cache to disk")
                return memory.cache(function, ignore=list(ignored))(*given)
        except OSError:  # the cache is full, read-only or being removed
            return function(*given)

    return remembered


def show_name(name: object) -> str:
    """Return a file's name as printable text: line breaks and undecodable bytes become escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(name))


def spelled(name: str) -> str:
    """Return a name with blanks in the place of underscores."""
    return name.replace("_", " ")


def decode_text(content: bytes) -> str:
    """Decode a text, UTF or western, without Excel's line for the separator; else raise a `ValueError`."""
    try:
        text = content.decode("utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", "replace")
        for odd in re.findall(r"[^\x00-\x7f]+", text):  # in the west, accents here and there
            if len(odd) > 2 or not (set(odd) <= _WESTERN or (len(odd) == 1 and odd.isalpha())):
                raise ValueError("its code page is that of another country") from None
    return re.sub(r"\A\s*\"?sep=.*\n", "", text)
