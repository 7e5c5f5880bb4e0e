"""Errors for people: what went wrong in one sentence, with the file, the cause and the remedy."""

import errno
import os
import re

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


def known_sentence(name: str, text: str) -> str | None:
    """Return what to say about an exception (class name, message) of input or machine, else None."""
    if name in ("InputError", "UsageError"):
        return text
    if re.search(_MEMORY, f"{name}: {text}"):
        return "not enough memory, or a process was killed: take a smaller batch_size or frame_size."
    if full := re.search(_FULL, text):
        return f"{full[0]}. Free some space (or raise ulimit -f), then run the same command again."
    if failed := re.match(r"\[(?:Errno|WinError) \d+\] ([^:]+)(?:: (.+))?", text):
        place = re.sub(r"[/\\]\.\w+\.gaitlib\.tmp", "", failed[2] or "")  # in which it was to be made
        remedy = f"Cannot read or write {place}: {failed[1]}. Choose another folder"
        return f"{remedy} (GAITLIB_CACHE moves the cache)." if place else f"{failed[1]}."
    return None


def sentence_of(error: BaseException) -> str:
    """Return an exception as one sentence for people."""
    name, text = type(error).__name__, " ".join(str(error).split())
    unknown = f"unexpected {name}: {text[:300]} (gaitlib --debug COMMAND shows where)."
    return known_sentence(name, text) or unknown
