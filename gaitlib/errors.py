"""Errors for people: what went wrong in one sentence, with the file, the cause and the remedy."""

import errno
import os
import re

_FREE_SPACE = "Free some space (or raise ulimit -f), then run the same command again."
# What the system says where there is no room to write; NumPy's own words are the last.
_FULL = "|".join([*map(os.strerror, (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)), "requested and"])
# Names or words of exceptions: of those in notebook kernels and workers only one arrives.
_MEMORY = (
    "MemoryError|ResourceExhausted|start new thread|Cannot allocate memory|failed to map segment|"
    "DeadKernelError|Kernel died|TerminatedWorkerError|KilledWorker"
)


class InputError(Exception):
    """Bad input, told in one sentence: which file, what is wrong, what was expected, how to fix it."""


class UsageError(InputError):
    """A setting or option that does not exist or cannot have this value; exit code 2."""


class StorageError(OSError):
    """A file could not be written; no `InputError`, so that nobody skips an input file and goes on."""


def storage_error(path: object, error: Exception) -> StorageError:
    """Return the error that says why `path` could not be written, and what to do."""
    cause = getattr(error, "strerror", None) or " ".join(str(error).split())
    remedy = _FREE_SPACE if is_full(error) else "Choose another folder (GAITLIB_CACHE moves the cache)."
    return StorageError(f"Cannot write {path}: {cause}. {remedy}")


def is_full(error: Exception) -> bool:
    """Tell whether writing failed for want of room: disk, quota or limit on the size of a file."""
    return bool(re.search(_FULL, str(error)))


def known_sentence(name: str, text: str) -> str | None:
    """Return what to say about an exception (class name, message) that the machine caused, else None."""
    if name in ("InputError", "UsageError", "StorageError"):
        return text
    if re.search(_MEMORY, f"{name}: {text}"):
        return "not enough memory, or a process was killed: take a smaller batch_size or frame_size."
    full = re.search(_FULL, text)
    return f"{full[0]}. {_FREE_SPACE}" if full else None


def sentence_of(error: BaseException) -> str:
    """Return an exception as one sentence for people."""
    name, text = type(error).__name__, " ".join(str(error).split())
    if known := known_sentence(name, text):
        return known
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}." if error.filename else f"{error.strerror}."
    return f"unexpected {name}: {text[:300]} (gaitlib --debug COMMAND shows where)."
