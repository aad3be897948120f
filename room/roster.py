"""A roster (CSV) → people to let in, or every problem in it with its line. Pure.

Columns are login, class, name and role, in any order under a header, or in this
order without one. A class may bring its own role: ``ml101:instructor``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from room import sheet
from room.names import normalize_login
from room.roles import Role, normalize_role
from room.said import reason, said
from room.sheet import LineProblem, SheetError

MAX_NAME = 255
CLASS = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
CLASS_RULE = said(
    "a class name starts with a letter a-z or a digit, goes on with those or . _ -, "
    "and has at most 64 characters"
)

#: Header cells that we know, lower-case.
_HEADERS = {
    "login": ("login", "user", "username", "user name", "account", "用户名", "账号", "登录名"),
    "class": ("class", "classes", "course", "group", "班级", "课程"),
    "name": ("name", "full name", "display name", "姓名", "名字"),
    "role": ("role", "角色"),
}
_COLUMNS = {alias: column for column, aliases in _HEADERS.items() for alias in aliases}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a roster: a login as the hub keeps it, its classes, a name to show.

    ``roles`` names the classes whose role is said, with the role; in the others it stays what
    it is. ``until`` is the last moment of these memberships, or of who is put into no class.
    """

    login: str
    classes: tuple[str, ...] = ()
    name: str = ""
    roles: tuple[tuple[str, Role], ...] = ()
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Roster:
    """What a file says: its entries, and what is wrong in its other lines."""

    entries: tuple[Entry, ...]
    problems: tuple[LineProblem, ...] = ()


def normalize_class(text: str) -> str:
    """Return a class's name in lower case, so that ML101 and ml101 are one class.

    Raises ``ValueError`` with the rule when the text can be none.
    """
    name = text.strip()
    if name.isascii():
        name = name.lower()
    if not CLASS.fullmatch(name):
        raise ValueError(
            said("%(text)s is no class name: %(rule)s", text=_shown(text), rule=CLASS_RULE)
        )
    return name


def parse(
    data: bytes,
    *,
    encoding: str = "",
    default_class: str = "",
    default_role: Role | None = None,
    until: datetime | None = None,
) -> tuple[Entry, ...]:
    """Return the roster's entries. Raises ``SheetError`` naming every line that is wrong.

    The arguments are those of ``read``.
    """
    found = read(
        data,
        encoding=encoding,
        default_class=default_class,
        default_role=default_role,
        until=until,
    )
    if found.problems:
        raise SheetError(found.problems)
    return found.entries


def read(
    data: bytes,
    *,
    encoding: str = "",
    default_class: str = "",
    default_role: Role | None = None,
    until: datetime | None = None,
) -> Roster:
    """Return the entries of a roster's good lines, and the problems of the others.

    ``default_class`` is given to everyone beside the classes of their line, ``default_role`` where
    a line says none, ``until`` to everyone. Raises ``SheetError`` where there are no lines to read.
    """
    rows = sheet.rows(data, encoding)
    if not rows:
        raise SheetError([LineProblem(0, said("The roster is empty: it needs a login a line."))])
    columns = _columns(rows[0][1])
    if columns is None:
        columns = {"login": 0, "class": 1, "name": 2, "role": 3}
    else:
        rows = rows[1:]
    defaults = _Defaults(
        normalize_class(default_class) if default_class else "", default_role, until
    )
    return _entries(rows, columns, defaults)


@dataclass(frozen=True, slots=True)
class _Defaults:
    class_name: str = ""
    role: Role | None = None
    until: datetime | None = None


def _columns(header: Sequence[str]) -> dict[str, int] | None:
    """Return which column is where, or None when the first row is no header."""
    known = [_COLUMNS.get(cell.lower()) for cell in header]
    if "login" not in known:
        return None
    return {column: known.index(column) for column in _HEADERS if column in known}


def _entries(
    rows: Sequence[tuple[int, list[str]]], columns: Mapping[str, int], defaults: _Defaults
) -> Roster:
    entries: list[Entry] = []
    problems: list[LineProblem] = []
    seen: dict[str, tuple[int, str]] = {}
    for line, cells in rows:
        written = _cell(cells, columns, "login")
        try:
            entry = _entry(cells, columns, defaults)
        except ValueError as error:
            problems.append(LineProblem(line, reason(error)))
            continue
        if entry.login in seen:
            problems.append(LineProblem(line, _duplicate(written, *seen[entry.login])))
            continue
        seen[entry.login] = (line, written)
        entries.append(entry)
    if not entries and not problems:
        raise SheetError([LineProblem(0, said("The roster has a header and nobody under it."))])
    return Roster(tuple(entries), tuple(problems))


def _duplicate(written: str, line: int, earlier: str) -> str:
    if written == earlier:
        return said(
            "%(login)s is in line %(line)s already. Keep one of the two lines.",
            login=_shown(written),
            line=line,
        )
    return said(
        "%(login)s is the same login as %(earlier)s in line %(line)s: logins do not tell capitals "
        "apart. Keep one of the two lines.",
        login=_shown(written),
        earlier=_shown(earlier),
        line=line,
    )


def _entry(cells: Sequence[str], columns: Mapping[str, int], defaults: _Defaults) -> Entry:
    login = _cell(cells, columns, "login")
    if not login:
        raise ValueError(said("there is no login in this line."))
    name = _cell(cells, columns, "name")
    if len(name) > MAX_NAME or not name.isprintable():
        raise ValueError(
            said(
                "%(name)s is no name: at most %(most)s printable characters.",
                name=_shown(name),
                most=MAX_NAME,
            )
        )
    of_all = _cell(cells, columns, "role")
    usual = normalize_role(of_all) if of_all else defaults.role
    words = re.split(r"[\s|;,]+", _cell(cells, columns, "class"))
    classes: dict[str, Role | None] = {}
    for word in filter(None, words):
        class_name, role = _class_and_role(word, usual)
        if classes.get(class_name) not in (None, role):
            raise ValueError(
                said(
                    "%(login)s has two roles in %(class_name)s: one class, one role.",
                    login=login,
                    class_name=class_name,
                )
            )
        classes[class_name] = role or classes.get(class_name)
    if defaults.class_name:
        classes.setdefault(defaults.class_name, usual)
    if usual and not classes:
        raise ValueError(
            said(
                "%(login)s has the role %(role)s and no class to have it in.",
                login=login,
                role=usual,
            )
        )
    roles = tuple((name, role) for name, role in classes.items() if role)
    return Entry(normalize_login(login), tuple(classes), name, roles, defaults.until)


def _class_and_role(word: str, usual: Role | None) -> tuple[str, Role | None]:
    name, colon, role = word.partition(":")
    return normalize_class(name), normalize_role(role) if colon else usual


def _cell(cells: Sequence[str], columns: Mapping[str, int], column: str) -> str:
    index = columns.get(column)
    return cells[index] if index is not None and index < len(cells) else ""


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")
