"""Tables that people made (CSV or Excel) as rows of text, and text on its way back into a CSV."""

import csv
import io
import re
import zipfile
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import openpyxl

from gaitlib.config import InputError
from gaitlib.names import show_name

MAX_BYTES = 50_000_000
MAX_UNPACKED_BYTES = 200_000_000
MAX_ROWS = 100_000
MAX_COLUMNS = 4_000
_MAX_EMPTY_ROWS = 1_000  # after so many the rest of a sheet is a stray cell somewhere far below


def read_rows(path: Path) -> list[list[str]]:
    """Read all rows of a table as stripped text.

    Encoding (UTF-8, UTF-16, else Latin-1) and separator (comma, semicolon, tab) of a CSV are found
    out. Of an Excel file the first sheet that holds anything is read, formulas as the values last
    stored for them. Nothing is interpreted: ``007`` stays ``007``, ``NA`` stays ``NA``.

    Parameters
    ----------
    path : Path
        A ``.csv``, ``.tsv``, ``.txt`` or ``.xlsx`` file.

    Returns
    -------
    list of list of str
        Rows in order, empty ones too (row 1 of the file is item 0), without empty cells at the end.

    Raises
    ------
    InputError
        If the file is missing, too large, or not a table.
    """
    name = show_name(path)
    try:
        if not path.is_file():
            raise InputError(f"Label file {name} is not there: check its name.")
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{name} is larger than {MAX_BYTES // 10**6} MB: no label file should be.")
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{name} cannot be read ({error.strerror}): check its permissions.") from None
    is_excel = content.startswith(b"PK") or path.suffix.lower() in (".xlsx", ".xlsm")
    rows = _excel_rows(content, name) if is_excel else _csv_rows(content, name)
    rows = [_trimmed(row) for row in rows]
    if not any(rows):
        raise InputError(f"{name} is empty: expected a header row and one row a video.")
    return rows


def escape_cell(text: str) -> str:
    """Return text that a spreadsheet program will not take for a formula.

    Examples
    --------
    >>> escape_cell("=1+1")
    "'=1+1"
    """
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _trimmed(row: Iterable[str]) -> list[str]:
    cells = [cell.strip() for cell in row]
    while cells and not cells[-1]:
        cells.pop()
    return cells


def _csv_rows(content: bytes, name: str) -> list[list[str]]:
    text = _decode(content)
    if "\0" in text or content.startswith(b"\xd0\xcf\x11\xe0"):
        raise InputError(f"{name} is not a CSV table: save it as CSV (UTF-8) or .xlsx.")
    declared = re.match(r"sep=(.)\r?\n", text)  # a first line that Excel writes and reads
    lines = io.StringIO(text[declared.end() :] if declared else text, newline="")
    separator = declared[1] if declared else _separator(text)
    try:
        rows = list(islice(csv.reader(lines, delimiter=separator), MAX_ROWS + 1))
    except csv.Error as error:
        raise InputError(f"{name} is not a CSV table ({error}): save it as CSV (UTF-8) again.") from None
    if len(rows) > MAX_ROWS:
        raise InputError(f"{name} has more than {MAX_ROWS} rows: no label file should.")
    return rows


def _decode(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    if content[1:2] == b"\0":  # UTF-16 without its mark: every second byte of plain letters is zero
        return content.decode("utf-16-le", errors="replace")
    if content[:1] == b"\0":
        return content.decode("utf-16-be", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _separator(text: str) -> str:
    header = next((line for line in text.splitlines() if line.strip()), "")
    unquoted = re.sub(r'"[^"]*"', "", header)
    return max(",;\t", key=unquoted.count)


def _excel_rows(content: bytes, name: str) -> list[list[str]]:
    _check_archive(content, name)
    try:
        values = _sheet_rows(content, data_only=True)
        formulas = _sheet_rows(content, data_only=False)
    except Exception as error:  # openpyxl has no common class of errors for damaged files
        raise InputError(
            f"{name} cannot be read as an Excel file ({type(error).__name__}): save it as .xlsx again."
        ) from error
    for row_number, (cells, sources) in enumerate(zip(values, formulas, strict=True), start=1):
        for column, (cell, source) in enumerate(zip(cells, sources, strict=False), start=1):
            if not cell and source.startswith("="):
                where = f"{openpyxl.utils.get_column_letter(column)}{row_number}"
                raise InputError(
                    f"{name}: cell {where} holds a formula without a stored value: open and save "
                    "the file in a spreadsheet program, or paste the values."
                )
    return values


def _check_archive(content: bytes, name: str) -> None:
    """Refuse what is no zip archive, and one that would unpack to far more than a table needs."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
    except zipfile.BadZipFile:
        raise InputError(f"{name} is not an Excel file, or is damaged: save it as .xlsx again.") from None
    unpacked = sum(member.file_size for member in members)
    if unpacked > MAX_UNPACKED_BYTES:
        raise InputError(
            f"{name} would unpack to {unpacked / 1e6:.0f} MB, more than "
            f"{MAX_UNPACKED_BYTES // 10**6} MB: copy the table into a new file."
        )


def _sheet_rows(content: bytes, data_only: bool) -> list[list[str]]:
    """Return the rows of the first sheet that holds anything, without stray cells far below."""
    book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=data_only)
    try:
        for sheet in book.worksheets:
            cells = sheet.iter_rows(max_row=MAX_ROWS, max_col=MAX_COLUMNS, values_only=True)
            rows = list(_until_empty(cells))
            if any(any(row) for row in rows):
                return rows
        return []
    finally:
        book.close()


def _until_empty(rows: Iterable[tuple[Any, ...]]) -> Iterator[list[str]]:
    num_empty = 0
    for row in rows:
        texts = [_cell_text(cell) for cell in row] if any(cell is not None for cell in row) else []
        num_empty = 0 if texts else num_empty + 1
        if num_empty > _MAX_EMPTY_ROWS:
            return
        yield texts


def _cell_text(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))  # Excel keeps every number as a float: walker 7 is not walker "7.0"
    return str(cell).strip()
