"""Damage in a GIF file, which FFmpeg decodes without a word."""

import io
import warnings
from collections.abc import Callable

from PIL import Image


def first_damaged_picture(file: io.FileIO, check: Callable[[], None]) -> int | None:
    """Return the number of the first picture whose data are broken, None if all are whole.

    FFmpeg takes what the broken codes of a picture give; Pillow is strict about them.

    Parameters
    ----------
    file : io.FileIO
        The open file; its position is kept.
    check : callable
        Called after each picture; raises `TimeoutError` when time is up.

    Returns
    -------
    int or None
        From 1.
    """
    position, number = file.tell(), 1
    file.seek(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(file, formats=["GIF"])
            while True:
                image.seek(number - 1)
                image.load()
                check()
                number += 1
    except (EOFError, TimeoutError):  # after the last picture; what there was no time for is not known
        return None
    except (OSError, SyntaxError, ValueError, IndexError):
        return number
    except Image.DecompressionBombError:  # too large for Pillow's taste, which says nothing about damage
        return None
    finally:
        file.seek(position)
