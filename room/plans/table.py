"""Plans as a CSV: a row a subject, a column a limit. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from room import sheet
from room.plans.keys import KEYS, Key, key
from room.plans.model import Setting, Subject, subject
from room.sheet import LineProblem, SheetError

#: Header cells that name the subject, and the one that says until when.
_WHO = ("who", "subject", "user", "login", "class")
_UNTIL = "until"
#: A cell that takes away what was set; an empty one leaves it.
CLEAR = "-"


def parse(
    data: bytes, moment: Callable[[str], datetime], encoding: str = ""
) -> tuple[Setting, ...]:
    """Return the settings of a CSV. ``moment`` reads the cells of the column ``until``.

    Raises ``SheetError`` naming every line that is wrong.
    """
    rows = sheet.rows(data, encoding)
    if not rows:
        raise SheetError([LineProblem(0, "The file is empty: it needs a header.")])
    line, header = rows[0]
    who, columns, until = _columns(line, header)
    problems: list[LineProblem] = []
    settings: list[Setting] = []
    seen: dict[tuple[Subject, str], int] = {}
    for number, cells in rows[1:]:
        try:
            whose = _subject(header[who], _cell(cells, who))
            ends = _cell(cells, until) if until is not None else ""
            last = moment(ends) if ends else None
        except ValueError as error:
            problems.append(LineProblem(number, f"{error}."))
            continue
        for index, limit in columns.items():
            try:
                setting = _setting(whose, limit, _cell(cells, index), last)
            except ValueError as error:
                problems.append(LineProblem(number, f"{error}."))
                continue
            if setting is None:
                continue
            first = seen.setdefault((whose, limit.name), number)
            if first != number:
                problems.append(
                    LineProblem(number, f"{limit.name} of {whose} is in line {first} already.")
                )
            settings.append(setting)
    if problems:
        raise SheetError(problems)
    return tuple(settings)


def _columns(line: int, header: Sequence[str]) -> tuple[int, dict[int, Key], int | None]:
    names = [cell.strip().lower() for cell in header]
    who = [index for index, name in enumerate(names) if name in _WHO]
    if len(who) != 1:
        raise SheetError(
            [
                LineProblem(
                    line,
                    "the first row must name the columns: one of who, user or class, and limits "
                    "such as gpu_hours, memory; until, if they end.",
                )
            ]
        )
    problems, columns = [], {}
    for index, name in enumerate(names):
        if index == who[0] or not name or name == _UNTIL:
            continue
        try:
            columns[index] = key(name)
        except ValueError as error:
            problems.append(LineProblem(line, f"{error}."))
    twice = {each.name for each in columns.values()}
    if len(twice) != len(columns):
        problems.append(LineProblem(line, "a limit has two columns: keep one of them."))
    if not columns and not problems:
        problems.append(LineProblem(line, f"no column is a limit: there are {', '.join(KEYS)}."))
    if problems:
        raise SheetError(problems)
    return who[0], columns, names.index(_UNTIL) if _UNTIL in names else None


def _subject(column: str, cell: str) -> Subject:
    if not cell:
        raise ValueError("nobody is named in this line")
    if column.strip().lower() == "class" and "/" not in cell:
        return subject(f"class/{cell}")
    return subject(cell)


def _setting(whose: Subject, limit: Key, cell: str, until: datetime | None) -> Setting | None:
    if not cell:
        return None
    if cell == CLEAR:
        return Setting(whose, limit)
    return Setting(whose, limit, limit.text(limit.parse(cell)), until)


def _cell(cells: Sequence[str], index: int) -> str:
    return cells[index].strip() if index < len(cells) else ""
