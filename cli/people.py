"""What the commands about people and classes share: the store, words, kinds of arguments, files."""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli import context
from cli.errors import Problem, from_os_error

if TYPE_CHECKING:
    from room.people import People
    from room.person import Person
    from room.roles import Role
    from room.tokens import Token

_SPANS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Span(click.ParamType):
    """A length of time: 30m, 24h, 90d, 2w."""

    name = "time"

    def convert(
        self, value: str | timedelta, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        if isinstance(value, timedelta):
            return value
        match = re.fullmatch(r"(\d{1,4})([mhdw])", value.strip().lower())
        if not match or not int(match.group(1)):
            self.fail(f"{value!r} is no length of time: write 30m, 24h, 90d or 2w.", param, ctx)
        return timedelta(**{_SPANS[match.group(2)]: int(match.group(1))})


class RoleName(click.ParamType):
    """A role in a class."""

    name = "role"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> Role:
        from room.roles import normalize_role

        try:
            return normalize_role(value)
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


@contextmanager
def opened() -> Iterator[People]:
    """Give the room's people, and say what goes wrong with them in words."""
    from room import person as errors
    from room.people import People

    store = context.store()
    try:
        yield People(store, actor=actor(), origin="command")
    except errors.NoSuchPersonError as error:
        raise Problem(str(error), f"Let them in: room user add {error.login}") from error
    except errors.RevokedError as error:
        raise Problem(str(error), f"Let them back in: room user add {error.login}") from error
    except errors.NotInClassError as error:
        remedy = f"Put them in: room user add {error.login} --class {error.class_name}"
        raise Problem(str(error), remedy) from error
    except errors.NoSuchClassError as error:
        raise Problem(str(error), "See which there are: room class list") from error
    except errors.ArchivedError as error:
        remedy = f"Bring it back first: room class restore {error.class_name}"
        raise Problem(f"{error} Nothing was changed.", remedy) from error
    except OSError as error:
        raise from_os_error(error) from error
    except ValueError as error:
        raise Problem(f"{error}.") from error
    finally:
        store.close()


def actor() -> str:
    """Return who the audit names: who called sudo, if somebody did."""
    return os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name


def moment(text: str | None) -> datetime | None:
    """Return the end that ``--until`` says, ``NEVER``, or None where nothing is said.

    Days end at midnight in the room's time zone. Raises ``Problem``.
    """
    from zoneinfo import ZoneInfo

    from room.changes import NEVER
    from room.plans import until

    if text is None:
        return None
    if text.strip().lower() == "never":
        return NEVER
    try:
        zone = ZoneInfo(context.settings().timezone)
        return until.parse(text, datetime.now(timezone.utc), zone)
    except ValueError as error:
        raise Problem(f"{error}, or never.") from error


def address_of(token: Token) -> str:
    """Return the login link with this token in it."""
    from room.tokens import link as login_link

    return login_link(context.settings().address, token)


def classes_of(person: Person, now: datetime) -> list[str]:
    """Return somebody's classes as a roster writes them: ``ml101``, ``nlp:instructor``."""
    from room import access

    return [
        name if role == "student" else f"{name}:{role}"
        for name, role in sorted(access.roles(person, now).items())
    ]


def private(out: Path, what: str) -> int:
    """Open a new file that only its owner can read; an existing one is left alone.

    ``what`` says what did not happen when there is one.
    """
    try:
        return os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise Problem(f"The file {out} exists; {what}.", "Name another file.") from error
