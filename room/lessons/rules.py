"""What a lesson may be, and who may make and follow one. Pure.

Whoever follows its link hands the repository, the branch and the paths to git: so what git could
take for something else is refused when the lesson is made.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from urllib.parse import urlsplit

from room.classdirs import HAND_IN
from room.datasets.choice import choose
from room.datasets.model import Dataset
from room.datasets.rights import Who
from room.lessons.model import Content, Lesson, Source
from room.models import Reject
from room.roster import CLASS
from room.said import said
from room.values import shown

#: Characters at most.
TITLE_MOST, URL_MOST, PATH_MOST = 100, 500, 500

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?")
#: What git itself forbids in a branch's name, and what begins like an option.
_NO_BRANCH = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|//|@\{|^[-/.]|/\.|[/.]$|\.lock(/|$)|^@$")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_NO_NAME = re.compile(r"[^\w.-]+")


def makes(who: Who, class_name: str) -> bool:
    """Say whether somebody may make and change the lessons of a class."""
    return bool(CLASS.fullmatch(class_name)) and (who.admin or class_name in who.teaches)


def follows(who: Who, class_name: str) -> bool:
    """Say whether somebody is told of a class's lessons, and may begin them."""
    return who.admin or class_name in who.classes


def content(said_of_it: Content) -> Content:
    """Return what is said of a lesson as it is kept. Raises ``ValueError`` with the rule."""
    return Content(
        _title(said_of_it.title),
        _source(said_of_it.source),
        said_of_it.profile.strip(),
        tuple(dict.fromkeys(each.strip() for each in said_of_it.datasets if each.strip())),
        path(said_of_it.page),
    )


def needs(made: Content, profiles: Collection[str], visible: Iterable[Dataset]) -> Reject | None:
    """Say what a lesson needs that there is not; ``visible``: the datasets that its class has.

    Without ``profiles`` any may be named.
    """
    refused = profile(made.profile, profiles)
    if refused is not None or not made.datasets:
        return refused
    found = choose(visible, made.datasets)
    if not isinstance(found, Reject):
        return None
    return Reject(
        found.reason,
        said(
            "The class cannot start with these datasets: %(names)s. Give them to the class first, "
            "or leave out those that it does not have.",
            names=", ".join(made.datasets),
        ),
    )


def profile(slug: str, profiles: Collection[str]) -> Reject | None:
    """Refuse a profile that the room does not have; none at all is the usual one."""
    if not slug or not profiles or slug in profiles:
        return None
    return Reject(
        "profile-unknown",
        said(
            "There is no profile %(name)s in this room. Choose one of: %(known)s.",
            name=shown(slug),
            known=", ".join(sorted(profiles)),
        ),
    )


def path(text: str) -> str:
    """Return a path inside a lesson's files, or inside a class's folder; empty: all of it.

    Raises ``ValueError`` with the rule.
    """
    parts = [part for part in text.strip().split("/") if part not in ("", ".")]
    if text.strip().startswith("/"):
        rule = said("it begins with /: write it from the lesson's folder on")
    elif ".." in parts:
        rule = said("it leads out by ..: write one inside the folder")
    elif _CONTROL.search(text) or ".git" in parts or any(part.startswith("-") for part in parts):
        rule = said("no name in it may begin with -, be .git, or have a backslash or a line break")
    elif len(text) > PATH_MOST:
        rule = said("it has more than %(most)s characters", most=PATH_MOST)
    else:
        return "/".join(parts)
    raise ValueError(
        said("The path %(path)s cannot be used: %(rule)s.", path=shown(text), rule=rule)
    )


def folder(made: Content, class_name: str, others: Iterable[Lesson]) -> str:
    """Return where in a home the lesson's files come to, beside those of the class's ``others``.

    Lessons with the same files have one folder; what comes from elsewhere never comes into it.
    """
    taken = {each.folder: each.content.source for each in others}
    same = [name for name, source in taken.items() if source == made.source]
    if same:
        return same[0]
    source = made.source
    last = (source.path if source.kind == "folder" else source.repository).rstrip("/")
    wanted = _NO_NAME.sub("-", last.rpartition("/")[2].removesuffix(".git")).strip("-.")
    wanted = wanted[:64] or class_name
    number, name = 1, wanted
    while name in taken:
        number += 1
        name = f"{wanted}-{number}"
    return name


def _title(text: str) -> str:
    title = " ".join(text.split())
    if not title or len(title) > TITLE_MOST or not title.isprintable():
        raise ValueError(
            said("Give the lesson a title of at most %(most)s characters.", most=TITLE_MOST)
        )
    return title


def _source(source: Source) -> Source:
    if source.kind == "git":
        return Source("git", _repository(source.repository.strip()), _branch(source.branch.strip()))
    inside = path(source.path)
    if inside.split("/")[0] == HAND_IN:
        raise ValueError(
            said("What students hand in is no lesson: choose another folder than %(name)s.",
                 name=HAND_IN)
        )  # fmt: skip
    return Source("folder", path=inside)


def _repository(url: str) -> str:
    """Return a repository's address. Raises ``ValueError``: who follows the link has no key."""
    try:
        parts = urlsplit(url)
        secret = "@" in parts.netloc
    except ValueError:
        parts, secret = urlsplit(""), False
    if secret:
        raise ValueError(
            said("The address has a user or a password in it, which the whole class would read. "
                 "Use a repository that can be read without.")
        )  # fmt: skip
    well = (
        parts.scheme in ("https", "http")
        and _HOST.fullmatch(parts.netloc)
        and parts.path.strip("/")
        and not parts.fragment
        and len(url) <= URL_MOST
        and not re.search(r"[\s\\]", url)
        and url.isprintable()
    )
    if not well:
        raise ValueError(
            said("%(url)s is no address of a repository that students can read. Write one as "
                 "https://git.example.org/course/week-1.", url=shown(url))
        )  # fmt: skip
    return url.rstrip("/")


def _branch(name: str) -> str:
    if len(name) > 200 or _NO_BRANCH.search(name) or not (name.isprintable()):
        raise ValueError(
            said("%(name)s is no name of a branch. Leave it empty for the usual one.",
                 name=shown(name))
        )  # fmt: skip
    return name
