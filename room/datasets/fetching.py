"""Why a server's file cannot be had: reasons by name, and what is said of each. Pure.

A library's own words are never passed on: an address with a password may be in them.
"""

from __future__ import annotations

from collections.abc import Callable

from room.said import Said, said

#: Those that may pass by themselves.
PASSING = frozenset({"busy", "cut", "name", "odd", "silent", "slow", "unreachable"})

_SAID: dict[str, Callable[[str], Said]] = {
    "gone": lambda a: said("nothing is at %(address)s: look at it again", address=a),
    "access": lambda a: said(
        "the server of %(address)s does not let the room in: give a password, a key or a token "
        "that may read it",
        address=a,
    ),
    "busy": lambda a: said("the server of %(address)s is too busy", address=a),
    "cut": lambda a: said("the connection to %(address)s was cut", address=a),
    "name": lambda a: said("no server has the name in %(address)s", address=a),
    "silent": lambda a: said("the server of %(address)s does not answer", address=a),
    "slow": lambda a: said("the server of %(address)s sends next to nothing", address=a),
    "unreachable": lambda a: said("the server of %(address)s cannot be reached", address=a),
    "odd": lambda a: said("the server of %(address)s answers what nobody understands", address=a),
    "certificate": lambda a: said(
        "the certificate of %(address)s is not one that this room trusts", address=a
    ),
    "changed": lambda a: said(
        "what is at %(address)s changed while it was fetched: go on to fetch it anew", address=a
    ),
    "peer": lambda a: said(
        "%(address)s leads to a machine that is not public, and this room may not ask it: an "
        "admin can allow it in room.yaml (datasets.hosts)",
        address=a,
    ),
    "protocol": lambda a: said(
        "%(address)s leads on to an address that this room does not ask", address=a
    ),
    "redirects": lambda a: said("%(address)s leads in a circle: look at it again", address=a),
    "packed": lambda a: said(
        "the server of %(address)s sends it compressed, so nobody can tell what it is", address=a
    ),
    "library": lambda a: said(
        "this machine has no library that reads %(address)s: install what fsspec needs for it",
        address=a,
    ),
    "many": lambda a: said(
        "%(address)s has more files than one dataset may have: publish an archive", address=a
    ),
    "larger": lambda a: said("%(address)s is larger than its server says", address=a),
}
#: What was kept to be let in with cannot be read any more.
LOST = said("the password cannot be read any more: give it again")
KNOWN = frozenset(_SAID)
#: What a page knows these words by, when they come from another process.
PATTERNS = (LOST.pattern, *(make("").pattern for make in _SAID.values()))


def words(why: str, address: str) -> Said:
    """Return what is said of one of ``KNOWN``; ``address`` is one that is shown."""
    return _SAID[why](address)
