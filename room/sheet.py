"""A CSV file → rows of cells, or what is wrong with it and in which line; and cells to write. Pure.

What spreadsheets make of a CSV is read too: a byte order mark, semicolons or tabs, a ``sep=``
line, UTF-16, quotes.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from room.said import said

MAX_BYTES = 5 * 1024**2
#: A cell that begins with one of these is a formula to a spreadsheet.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class LineProblem:
    """What is wrong in one line; line 0 is the file as a whole."""

    line: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}" if self.line else self.message


class SheetError(ValueError):
    """A file that cannot be taken over. ``problems`` holds every one, in order."""

    def __init__(self, problems: Sequence[LineProblem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


def harmless(cell: str) -> str:
    """Return a cell to write that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def rows(data: bytes, encoding: str = "") -> list[tuple[int, list[str]]]:
    """Return (line, trimmed cells) of every row that is not blank. Raises ``SheetError``."""
    return list(_read(_decode(data, encoding)))


def _decode(data: bytes, encoding: str) -> str:
    if len(data) > MAX_BYTES:
        raise SheetError(
            [LineProblem(0, f"The file has {len(data):,} bytes; {MAX_BYTES:,} are allowed.")]
        )
    if not encoding:
        utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        encoding = "utf-16" if utf16 else "utf-8-sig"
    try:
        return data.decode(encoding)
    except LookupError:
        raise SheetError([LineProblem(0, f"There is no encoding {encoding!r}.")]) from None
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise SheetError(
            [
                LineProblem(
                    line,
                    "this is not UTF-8 text. Save the sheet as “CSV UTF-8”, "
                    "or name its encoding, for example --encoding gb18030.",
                )
            ]
        ) from None


def _read(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, trimmed cells) of every row that is not blank."""
    text, first_line, delimiter = _dialect(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = first_line
    try:
        for row in reader:
            cells = [_trim(cell) for cell in row]
            if any(cells):
                yield line, cells
            line = first_line + reader.line_num
    except csv.Error as error:
        message = said(
            "this cannot be read as CSV (%(error)s). Look for a quote that is not closed.",
            error=error,
        )
        raise SheetError([LineProblem(line, message)]) from None


def _dialect(text: str) -> tuple[str, int, str]:
    """Return (what is left to read, its first line's number, the delimiter)."""
    head, _newline, rest = text.partition("\n")
    declared = re.fullmatch(r"sep=(.)\r?", head, re.IGNORECASE)
    if declared:
        return rest, 2, declared.group(1)
    sample = next((line for line in text.splitlines() if line.strip()), "")
    return text, 1, max(",;\t", key=sample.count)


def _trim(cell: str) -> str:
    # A cell kept as text in a spreadsheet may come as ="007".
    kept = re.fullmatch(r'="(.*)"', cell.strip())
    return (kept.group(1) if kept else cell).strip()
