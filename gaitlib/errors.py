"""What goes wrong around the program, a full disk or too little memory, told in one sentence."""

import errno
import os
import re

# Names of exceptions, as they also come from notebook kernels and workers, where only the name arrives.
_MEMORY_ERRORS = ("MemoryError", "_ArrayMemoryError", "ResourceExhaustedError", "OutOfMemoryError")
_KILLED_ERRORS = ("DeadKernelError", "TerminatedWorkerError")
# What other exceptions say when memory was short.
_MEMORY_WORDS = ("can't start new thread", "Cannot allocate memory", "failed to map segment")
_ADVICE = {
    errno.ENOSPC: "Free some space, then run the same command again.",
    errno.EDQUOT: "Free some space, then run the same command again.",
    errno.EFBIG: "Raise the system's limit on the size of a file (ulimit -f).",
}
# Stands for the number that NumPy does not tell.
_NO_ROOM = -1


class StorageError(OSError):
    """A file could not be written; the message says which, why, and what to do.

    An `OSError`, not an `InputError`: no file of the user's is at fault, so that nobody skips a file and
    goes on.
    """


def storage_error(path: object, error: Exception, advice: str = "Choose another folder.") -> StorageError:
    """Return the error that says why `path` could not be written.

    Parameters
    ----------
    path : Path
    error : Exception
        What the system or a library said.
    advice : str
        What to do, unless the cause itself tells.
    """
    number = _number_of(error)
    if number == _NO_ROOM:
        cause, advice = "No room left", "Free some space, or raise the limit on the size of a file."
    else:
        cause = os.strerror(number) if number else " ".join(str(error).split())
    return StorageError(f"Cannot write {path}: {cause}. {_ADVICE.get(number, advice)}")


def is_full(error: Exception) -> bool:
    """Tell whether writing failed for want of room: disk, quota or limit on the size of a file."""
    return _number_of(error) in (*_ADVICE, _NO_ROOM)


def _number_of(error: Exception) -> int:
    """Return the system's number of an error, 0 if unknown; HDF5 keeps it in the text."""
    if isinstance(error, OSError) and error.errno:
        return error.errno
    found = re.search(r"errno = (\d+)", str(error))
    if found:
        return int(found[1])
    # NumPy tells only how much less was written than it was given.
    return _NO_ROOM if re.search(r"\d+ requested and \d+ written", str(error)) else 0


def known_sentence(name: str, text: str) -> str | None:
    """Return what to tell of an exception that the machine caused, None for any other.

    Parameters
    ----------
    name : str
        Class of the exception.
    text : str
        Its message.
    """
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
