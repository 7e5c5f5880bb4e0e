"""Errors for people: what went wrong in one sentence, with the file, the cause and the remedy."""

import errno
import os
import re
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

# Names of exceptions; from notebook kernels and workers only the name arrives.
_MEMORY_ERRORS = ("MemoryError", "_ArrayMemoryError", "ResourceExhaustedError", "OutOfMemoryError")
_KILLED_ERRORS = ("DeadKernelError", "TerminatedWorkerError", "KilledWorker")
_MEMORY_WORDS = ("can't start new thread", "Cannot allocate memory", "failed to map segment")
_FREE_SPACE = "Free some space, then run the same command again."
_RAISE_LIMIT = "Raise the system's limit on the size of a file (ulimit -f)."
_ADVICE = {errno.ENOSPC: _FREE_SPACE, errno.EDQUOT: _FREE_SPACE, errno.EFBIG: _RAISE_LIMIT}
# Stands for the error number that NumPy does not report.
_SHORT_WRITE = -1


class InputError(Exception):
    """Bad input, told in one sentence: which file, what is wrong, what was expected, how to fix it."""


class UsageError(InputError):
    """A setting or option that does not exist or cannot have this value; exit code 2."""


class StorageError(OSError):
    """A file could not be written; no `InputError`, so that nobody skips an input file and goes on."""


def storage_error(path: object, error: Exception, advice: str = "Choose another folder.") -> StorageError:
    """Return the error that says why `path` could not be written, with advice unless the cause tells it."""
    number = _error_number(error)
    if number == _SHORT_WRITE:
        cause, advice = "No room left", "Free some space, or raise the limit on the size of a file."
    else:
        cause = os.strerror(number) if number else " ".join(str(error).split())
    return StorageError(f"Cannot write {path}: {cause}. {_ADVICE.get(number, advice)}")


def is_full(error: Exception) -> bool:
    """Tell whether writing failed for want of room: disk, quota or limit on the size of a file."""
    return _error_number(error) in (*_ADVICE, _SHORT_WRITE)


def _error_number(error: Exception) -> int:
    """Return the system's number of an error, 0 if unknown; HDF5 keeps it in the text."""
    if isinstance(error, OSError) and error.errno:
        return error.errno
    found = re.search(r"errno = (\d+)", str(error))
    if found:
        return int(found[1])
    return _SHORT_WRITE if re.search(r"\d+ requested and \d+ written", str(error)) else 0


def known_sentence(name: str, text: str) -> str | None:
    """Return what to say about an exception (class name, message) that the machine caused, else None."""
    if name in _MEMORY_ERRORS or any(words in text for words in _MEMORY_WORDS):
        return "not enough memory: take a smaller batch_size or frame_size."
    if name in _KILLED_ERRORS or text.startswith("Kernel died"):
        return (
            "a process of the program was killed, most often because memory ran out: take a smaller "
            "batch_size or frame_size, and run the same command again."
        )
    for number, advice in _ADVICE.items():
        if name != "StorageError" and os.strerror(number) in text:
            return f"{os.strerror(number)}. {advice}"
    return None


def plain_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Turn what a command raises into one sentence on stderr and an exit code (``--debug``: traceback)."""

    @wraps(command)
    def run(*arguments: Any, **options: Any) -> None:
        import typer

        try:
            command(*arguments, **options)
        except (typer.BadParameter, typer.Exit, typer.Abort):
            raise
        except KeyboardInterrupt:
            typer.echo("gaitlib: stopped; the same command goes on from what is finished.", err=True)
            raise typer.Exit(1) from None
        except Exception as error:
            if "--debug" in sys.argv:
                raise
            typer.echo(f"gaitlib: {sentence_of(error)}", err=True)
            raise typer.Exit(2 if isinstance(error, UsageError) else 1) from None

    return run


def sentence_of(error: BaseException) -> str:
    """Return an exception as one sentence for people."""
    text = " ".join(str(error).split())
    known = known_sentence(type(error).__name__, text)
    if known:
        return known
    if isinstance(error, InputError | StorageError):
        return text
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}." if error.filename else f"{error.strerror}."
    return f"unexpected {type(error).__name__}: {text[:300]} (gaitlib --debug COMMAND shows where)."
