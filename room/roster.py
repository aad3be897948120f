"""A roster (CSV) → people to let in, or every problem in it with its line. Pure.

Columns are login, class and name, in any order under a header, or in this
order without one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from room import sheet
from room.names import normalize_login
from room.sheet import LineProblem, SheetError

MAX_NAME = 255
CLASS = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
CLASS_RULE = (
    "a class name starts with a letter a-z or a digit, goes on with those or . _ -, "
    "and has at most 64 characters"
)

#: Header cells that we know, lower-case.
_HEADERS = {
    "login": ("login", "user", "username", "user name", "account", "用户名", "账号", "登录名"),
    "class": ("class", "classes", "course", "group", "班级", "课程"),
    "name": ("name", "full name", "display name", "姓名", "名字"),
}
_COLUMNS = {alias: column for column, aliases in _HEADERS.items() for alias in aliases}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a roster: a login as the hub keeps it, its classes, a name to show."""

    login: str
    classes: tuple[str, ...] = ()
    name: str = ""


def normalize_class(text: str) -> str:
    """Return a class's name in lower case, so that ML101 and ml101 are one class.

    Raises ``ValueError`` with the rule when the text can be none.
    """
    name = text.strip()
    if name.isascii():
        name = name.lower()
    if not CLASS.fullmatch(name):
        raise ValueError(f"{_shown(text)} is no class name: {CLASS_RULE}")
    return name


def parse(data: bytes, *, encoding: str = "", default_class: str = "") -> tuple[Entry, ...]:
    """Return the roster's entries. Raises ``SheetError`` naming every line that is wrong.

    ``default_class`` is given to everyone beside the classes of their line.
    """
    rows = sheet.rows(data, encoding)
    if not rows:
        raise SheetError([LineProblem(0, "The roster is empty: it needs a login a line.")])
    columns = _columns(rows[0][1])
    if columns is None:
        columns = {"login": 0, "class": 1, "name": 2}
    else:
        rows = rows[1:]
    return _entries(rows, columns, normalize_class(default_class) if default_class else "")


def _columns(header: Sequence[str]) -> dict[str, int] | None:
    """Return which column is where, or None when the first row is no header."""
    known = [_COLUMNS.get(cell.lower()) for cell in header]
    if "login" not in known:
        return None
    return {column: known.index(column) for column in _HEADERS if column in known}


def _entries(
    rows: Sequence[tuple[int, list[str]]], columns: Mapping[str, int], default_class: str
) -> tuple[Entry, ...]:
    entries: list[Entry] = []
    problems: list[LineProblem] = []
    seen: dict[str, tuple[int, str]] = {}
    for line, cells in rows:
        written = _cell(cells, columns, "login")
        try:
            entry = _entry(cells, columns, default_class)
        except ValueError as error:
            problems.append(LineProblem(line, str(error)))
            continue
        if entry.login in seen:
            problems.append(LineProblem(line, _duplicate(written, *seen[entry.login])))
            continue
        seen[entry.login] = (line, written)
        entries.append(entry)
    if problems:
        raise SheetError(problems)
    if not entries:
        raise SheetError([LineProblem(0, "The roster has a header and nobody under it.")])
    return tuple(entries)


def _duplicate(written: str, line: int, earlier: str) -> str:
    if written == earlier:
        return f"{_shown(written)} is in line {line} already. Keep one of the two lines."
    return (
        f"{_shown(written)} is the same login as {_shown(earlier)} in line {line}: "
        "logins do not tell capitals apart. Keep one of the two lines."
    )


def _entry(cells: Sequence[str], columns: Mapping[str, int], default_class: str) -> Entry:
    login = _cell(cells, columns, "login")
    if not login:
        raise ValueError("there is no login in this line.")
    name = _cell(cells, columns, "name")
    if len(name) > MAX_NAME or not name.isprintable():
        raise ValueError(f"{_shown(name)} is no name: at most {MAX_NAME} printable characters.")
    words = re.split(r"[\s|;,]+", _cell(cells, columns, "class"))
    classes = dict.fromkeys(normalize_class(word) for word in words if word)
    if default_class:
        classes[default_class] = None
    return Entry(normalize_login(login), tuple(classes), name)


def _cell(cells: Sequence[str], columns: Mapping[str, int], column: str) -> str:
    index = columns.get(column)
    return cells[index] if index is not None and index < len(cells) else ""


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")
