"""Tables that people made (CSV or Excel) as rows of text, and text on its way back into a CSV."""

import csv
import io
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import openpyxl

from gaitlib.config import InputError
from gaitlib.names import show_name

MAX_BYTES = 10_000_000
MAX_UNPACKED_BYTES = 100_000_000
MAX_ROWS = 100_000
MAX_CELLS = 400_000
MAX_TAGS = 2_000_000  # of an Excel file: about 250,000 cells
_MAX_EMPTY_ROWS = 1_000  # after so many a single cell is a stray one somewhere far below
# Characters that nobody sees: byte order marks and spaces of no width.
_INVISIBLE = str.maketrans("", "", "\ufeff\u200b\u2060\u200e\u200f")
# Letters of the upper half, three in a row: no Western language writes so, but this is how other
# alphabets look when they are read as Western. Neither does it write signs between letters, but for
# apostrophes, dots and quotes.
_MISREAD = re.compile(
    r"[\x80-\u2122]{3}|[\x80-\x9f]"
    r"|[^\W\d_][\xa1-\xa9\xac\xae\xaf\xb1-\xb3\xb6\xb9\xbc-\xbf][^\W\d_]"
)
_OLD_EXCEL = b"\xd0\xcf\x11\xe0"


def read_rows(path: Path) -> list[list[str]]:
    """Read all rows of a table as stripped text.

    Encoding (UTF-8, UTF-16, else Western) and separator (comma, semicolon, tab) of a CSV are found
    out. Of an Excel file the first sheet that holds anything is read, formulas as the values last
    stored for them; one stray cell far below the table is left out. Nothing is interpreted: ``007``
    stays ``007``, ``NA`` stays ``NA``.

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
        If the file is missing, too large or not a table, or would be read with losses.
    """
    name = show_name(path)
    try:
        if not path.is_file():
            fault = "is not a regular file" if path.exists() else "is not there"
            raise InputError(f"Label file {name} {fault}: check its name.")
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{name} is larger than {MAX_BYTES // 10**6} MB: no label file should be.")
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{name} cannot be read ({error.strerror}): check its permissions.") from None
    if content.startswith(_OLD_EXCEL):
        raise InputError(
            f"{name} is an old .xls file or protected by a password: save it as .xlsx without a password, "
            "or as CSV."
        )
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
    cells = [_unquoted(cell.translate(_INVISIBLE).strip()) for cell in row]
    while cells and not cells[-1]:
        cells.pop()
    return cells


def _unquoted(cell: str) -> str:
    """Drop the curly quotes that text programs put around a word."""
    is_quoted = len(cell) > 2 and cell[0] in "\u201c\u201e\u00ab" and cell[-1] in "\u201d\u201c\u00bb"
    return cell[1:-1].strip() if is_quoted else cell


def _csv_rows(content: bytes, name: str) -> list[list[str]]:
    text = _decode(content, name)
    if "\0" in text:
        raise InputError(f"{name} is not a CSV table: save it as CSV (UTF-8) or .xlsx.")
    declared = re.match(r"sep=(.)\r?\n", text)  # a first line that Excel writes and reads
    lines = io.StringIO(text[declared.end() :] if declared else text, newline="")
    separator = declared[1] if declared else _separator(text)
    try:
        rows = list(islice(csv.reader(lines, delimiter=separator, strict=True), MAX_ROWS + 1))
    except csv.Error as error:
        raise InputError(f"{name} is not a CSV table ({error}): save it as CSV (UTF-8) again.") from None
    if len(rows) > MAX_ROWS:
        raise InputError(f"{name} has more than {MAX_ROWS} rows: no label file should.")
    if sum(map(len, rows)) > MAX_CELLS:
        raise InputError(f"{name} has more than {MAX_CELLS} cells: no label file should.")
    return rows


def _decode(content: bytes, name: str) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    if content[1:2] == b"\0":  # UTF-16 without its mark: every second byte of plain letters is zero
        return content.decode("utf-16-le", errors="replace")
    if content[:1] == b"\0":
        return content.decode("utf-16-be", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    try:
        text = content.decode("cp1252")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    if _MISREAD.search(text):
        raise InputError(f"{name} is in an unknown encoding: save it as CSV (UTF-8).")
    return text


def _separator(text: str) -> str:
    header = next((line for line in text.splitlines() if line.strip()), "")
    unquoted = re.sub(r'"[^"]*"', "", header)
    return max(",;\t", key=unquoted.count)


def _excel_rows(content: bytes, name: str) -> list[list[str]]:
    _check_archive(content, name)
    try:
        title, formulas = _filled_sheet(content, name, data_only=False)
        _, values = _filled_sheet(content, name, data_only=True, title=title)
    except InputError:
        raise
    except Exception as error:  # openpyxl has no common class of errors for damaged files
        raise InputError(
            f"{name} cannot be read as an Excel file ({type(error).__name__}): save it as .xlsx again."
        ) from error
    for row, sources in enumerate(formulas):
        cells = values[row] if row < len(values) else []
        for column, source in enumerate(sources):
            if source.startswith("=") and not (column < len(cells) and cells[column]):
                where = f"{openpyxl.utils.get_column_letter(column + 1)}{row + 1}"
                raise InputError(
                    f"{name}: cell {where} holds a formula without a stored value: open and save "
                    "the file in a spreadsheet program, or paste the values."
                )
    return values


def _check_archive(content: bytes, name: str) -> None:
    """Refuse what is no zip archive, and one that would unpack to far more than a table needs."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
            is_small = unpacked <= MAX_UNPACKED_BYTES
            num_tags = _count_tags(archive) if is_small else 0
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError):
        raise InputError(f"{name} is not an Excel file, or is damaged: save it as .xlsx again.") from None
    if not is_small:
        raise InputError(
            f"{name} would unpack to {unpacked / 1e6:.0f} MB, more than "
            f"{MAX_UNPACKED_BYTES // 10**6} MB: copy the table into a new file."
        )
    if num_tags > MAX_TAGS:
        raise InputError(
            f"{name} holds far more cells than a label file needs: copy the table into a new file."
        )


def _count_tags(archive: zipfile.ZipFile) -> int:
    """Return how many XML tags there are: each costs time and memory, also in cells without content."""
    num_tags = 0
    for member in archive.infolist():
        with archive.open(member) as stream:
            while part := stream.read(1 << 20):
                num_tags += part.count(b"<")
    return num_tags


def _filled_sheet(content: bytes, name: str, data_only: bool, title: str = "") -> tuple[str, list[list[str]]]:
    """Return title and rows of the first sheet that holds anything, or of the one that is named."""
    book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=data_only)
    title_found, found = title, list[list[str]]()
    try:
        for sheet in book.worksheets:
            if title and sheet.title != title:
                continue
            sheet.reset_dimensions()  # what the file says of its size may be wrong, or absurd
            rows = list(_until_empty(sheet.iter_rows(values_only=True), name))
            if not any(any(row) for row in rows):
                continue
            if found and _has_labels(found) and _has_labels(rows):
                raise InputError(
                    f"{name} has labels on several sheets, the second is {sheet.title!r}: put all on one."
                )
            if not found:
                title_found, found = sheet.title, rows
    finally:
        book.close()
    return title_found, found


def _has_labels(rows: list[list[str]]) -> bool:
    first = next(row for row in rows if any(row))
    return {"video", "emotion"} <= {cell.casefold() for cell in first}


def _until_empty(rows: Iterable[tuple[Any, ...]], name: str) -> Iterator[list[str]]:
    num_empty = num_cells = 0
    for number, row in enumerate(rows, start=1):
        num_cells += len(row)
        is_going_on = num_empty <= _MAX_EMPTY_ROWS
        if num_cells > MAX_CELLS or (number > MAX_ROWS and is_going_on):
            raise InputError(
                f"{name} has more than {MAX_CELLS} cells or {MAX_ROWS} rows: copy the table into a new file."
            )
        if number > MAX_ROWS:
            return
        filled = sum(cell is not None for cell in row)
        if is_going_on:
            num_empty = 0 if filled else num_empty + 1
            yield [_cell_text(cell) for cell in row] if filled else []
        elif filled > 1:
            raise InputError(f"{name}: row {number} lies far below the table: move it up or delete it.")


def _cell_text(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))  # Excel keeps every number as a float: walker 7 is not walker "7.0"
    return str(cell).strip()
