"""Label files as tables of text: CSV of any separator, or the first filled sheet of an Excel file."""

import csv
import io
import re
import unicodedata
from itertools import zip_longest
from pathlib import Path

import pandas as pd

from gaitlib.errors import InputError
from gaitlib.files import show_name

MAX_BYTES, MAX_ROWS = 10_000_000, 20_000  # no label file comes near it
_INVISIBLE = str.maketrans("", "", "\ufeff\u200b\u2060\u200e\u200f")


def normal_name(text: str) -> str:
    """Return a name in the form in which names compare: one case, one spelling of accents."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def read_table(path: Path) -> pd.DataFrame:
    """Read the filled rows as stripped text, ``007`` and ``NA`` as they stand; the index counts from 1."""
    name = show_name(path)
    if not path.is_file():
        raise InputError(f"Label file {name} is not there, or is no regular file: check its name.")
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"{name} is larger than any label file: copy the table into a new file.")
    try:
        content = path.read_bytes()
        table = _read_excel(content) if content.startswith((b"PK", b"\xd0\xcf")) else _read_csv(content)
    except Exception as error:  # openpyxl has no common class of errors for damaged files
        raise InputError(
            f"{name} cannot be read as a table ({show_name(error)}): save it as CSV (UTF-8) or a new .xlsx."
        ) from error
    table = table.fillna("").map(lambda cell: cell.translate(_INVISIBLE).strip())
    table = table.set_axis(range(1, len(table) + 1))[(table != "").any(axis=1).to_numpy()]
    if table.empty:
        raise InputError(f"{name} is empty: expected a header row and one row a video.")
    return table


def _read_csv(content: bytes) -> pd.DataFrame:
    text = content.decode("utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig")
    if "\0" in text:
        raise ValueError("neither UTF-8 nor UTF-16")
    separator = max(",;\t", key=re.sub(r'"[^"]*"', "", text.lstrip().partition("\n")[0]).count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    return pd.DataFrame(zip_longest(*rows, fillvalue="")).T  # pandas itself takes no rows of unequal length


def _read_excel(content: bytes) -> pd.DataFrame:
    # A stray cell in a far corner would make a sheet of a million rows.
    sheets = pd.read_excel(
        io.BytesIO(content), sheet_name=None, header=None, dtype=str, keep_default_na=False, nrows=MAX_ROWS
    )
    return next((sheet for sheet in sheets.values() if (sheet != "").any(axis=None)), pd.DataFrame())
