from datetime import datetime, timezone
from pathlib import Path

import pytest

from room.oauth_rules import is_public, may_take
from room.person import Person
from room.settings import OAuth


def oauth(provider: str, **more) -> OAuth:
    basis = {"client_id": "x", "client_secret_file": Path("secret"), "allow_all": True}
    return OAuth.model_validate({"provider": provider, **basis, **more})


@pytest.mark.parametrize(
    ("settings", "public"),
    [
        pytest.param(oauth("github"), True, id="github"),
        pytest.param(oauth("gitlab"), True, id="gitlab.com"),
        pytest.param(oauth("gitlab", issuer="https://git.school"), False, id="own gitlab"),
        pytest.param(oauth("google"), True, id="any google account"),
        pytest.param(oauth("google", allowed_domains=["school.x"]), False, id="a school's google"),
        pytest.param(oauth("oidc", issuer="https://x"), False, id="a school's own"),
    ],
)
def test_where_anybody_can_choose_a_name_is_public(settings, public) -> None:
    assert is_public(settings) is public


def person(**more) -> Person:
    return Person("alice", added_at=datetime.now(timezone.utc), **more)


@pytest.mark.parametrize(
    ("who", "named", "open_to_all", "may"),
    [
        pytest.param(None, False, True, True, id="nobody has the login"),
        pytest.param(person(), False, False, True, id="of the roster, vouched for by rules"),
        pytest.param(person(), False, True, False, id="of the roster, from anywhere"),
        pytest.param(person(), True, True, True, id="named in allowed_users"),
        pytest.param(person(oauth_subject="x"), False, True, True, id="came this way before"),
        pytest.param(person(admin=True), False, False, False, id="an admin's"),
        pytest.param(person(admin=True), True, False, True, id="an admin's, named"),
    ],
)
def test_a_login_is_for_whom_it_was_made(who, named, open_to_all, may) -> None:
    assert may_take(who, named, open_to_all) is may
