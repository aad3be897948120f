"""Whom a provider may vouch for. Pure."""

from __future__ import annotations

from room.person import Person
from room.settings import OAuth


def is_public(oauth: OAuth) -> bool:
    """Say whether anybody in the world can make an account with any free name there."""
    own_gitlab = oauth.provider == "gitlab" and bool(oauth.issuer)
    own_google = oauth.provider == "google" and bool(oauth.allowed_domains)
    return oauth.provider != "oidc" and not own_gitlab and not own_google


def may_take(person: Person | None, named: bool, open_to_all: bool) -> bool:
    """Say whether an account that the provider vouches for may come in under a login of ours.

    Nobody must get somebody's home by choosing the right user name elsewhere. So an
    admin's login, and where every account of a public provider is let in (``open_to_all``)
    any login that the roster has, is for an account that allowed_users names
    (``named``), or that has come in under it before.
    """
    if person is None or named or person.oauth_subject is not None:
        return True
    return not (person.admin or open_to_all)
