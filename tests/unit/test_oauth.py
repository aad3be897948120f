import subprocess
import sys

import pytest
from traitlets.config import Config

from room.settings import Settings
from spawner import signin
from spawner.authenticator import TokenAuthenticator
from spawner.oauth import RoomGitHub, RoomGitLab, RoomGoogle, RoomOIDC, _domain, _groups_of


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "secret"
    path.write_text("  s3cret\n")
    return str(path)


def configured(tmp_path, secret, **settings):
    """Return the authenticator that the settings make, as JupyterHub makes it."""
    login = {"oauth": {"client_id": "id", "client_secret_file": secret, **settings}}
    made = Settings.model_validate(
        {"data_root": tmp_path, "address": "https://room.example", "login": login}
    )
    config = Config()
    signin.configure(config, made)
    return config.JupyterHub.authenticator_class(config=config)


def test_without_oauth_no_providers_code_is_loaded() -> None:
    code = (
        "import sys; import spawner.hub; print([m for m in sys.modules if 'oauthenticator' in m])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_without_oauth_there_are_tokens_alone(tmp_path) -> None:
    config = Config()
    signin.configure(config, Settings(data_root=tmp_path))
    made = config.JupyterHub.authenticator_class(config=config)
    assert type(made) is TokenAuthenticator
    assert made.login_url("/hub/") == "/hub/login"
    assert made.manage_groups
    assert made.store_url == f"sqlite:///{tmp_path}/state/torchroom.sqlite"
    assert not made.validate_username("an na")
    assert not made.validate_username("alice\n")
    assert made.validate_username("alice@school.example")


@pytest.mark.parametrize(
    ("settings", "kind", "traits"),
    [
        pytest.param(
            {"provider": "github", "allowed_organizations": ["school"]},
            RoomGitHub,
            {"allowed_organizations": {"school"}, "scope": ["read:org"], "open_to_all": False},
            id="github by organization",
        ),
        pytest.param(
            {"provider": "github", "allow_all": True},
            RoomGitHub,
            {"allow_all": True, "scope": [], "open_to_all": True},
            id="github, everybody",
        ),
        pytest.param(
            {"provider": "gitlab", "issuer": "https://git.x/", "allowed_groups": ["ml"]},
            RoomGitLab,
            {
                "gitlab_url": "https://git.x",
                "token_url": "https://git.x/oauth/token",
                "allowed_gitlab_groups": {"ml"},
                "scope": ["read_api"],
            },
            id="own gitlab by group",
        ),
        pytest.param(
            {"provider": "google", "allowed_domains": ["School.example"]},
            RoomGoogle,
            {"hosted_domain": ["school.example"], "allowed_domains": {"school.example"}},
            id="a school's google",
        ),
        pytest.param(
            {
                "provider": "oidc",
                "issuer": "https://sso.x/realms/a",
                "groups_claim": "realm.roles",
                "allowed_groups": ["ml"],
                "allowed_users": ["Alice"],
                "label": "School",
            },
            RoomOIDC,
            {
                "issuer": "https://sso.x/realms/a",
                "allowed_groups": {"ml"},
                "allowed_users": {"alice"},
                "username_claim": "preferred_username",
                "scope": ["openid", "profile", "email"],
                "login_service": "School",
            },
            id="oidc",
        ),
    ],
)
def test_settings_become_traits(tmp_path, secret, settings, kind, traits) -> None:
    made = configured(tmp_path, secret, **settings)
    assert type(made) is kind
    assert {name: getattr(made, name) for name in traits} == traits
    assert made.client_secret == "s3cret"
    assert made.oauth_callback_url == "https://room.example/hub/oauth_callback"
    assert made.enable_pkce
    assert not made.enable_auth_state
    assert not made.allow_existing_users


@pytest.mark.parametrize(
    ("claim", "info", "groups"),
    [
        pytest.param("groups", {"groups": ["a", "b"]}, ["a", "b"], id="a list"),
        pytest.param("groups", {"groups": "abc"}, ["abc"], id="one as a text"),
        pytest.param("realm.roles", {"realm": {"roles": ["a"]}}, ["a"], id="nested"),
        pytest.param("realm.roles", {"realm": "x"}, [], id="not nested after all"),
        pytest.param("groups", {}, [], id="missing"),
        pytest.param("groups", {"groups": [1, None, "a", {}]}, ["a"], id="only texts"),
        pytest.param("groups", {"groups": 7}, [], id="a number"),
        pytest.param("", {"groups": ["a"]}, [], id="no claim set"),
    ],
)
def test_the_groups_claim_is_read(claim, info, groups) -> None:
    assert _groups_of(claim)({RoomOIDC.user_auth_state_key: info}) == groups


@pytest.mark.parametrize(
    ("info", "domain"),
    [
        pytest.param({"hd": "School.x", "email": "a@y"}, "school.x", id="google says it"),
        pytest.param({"email": "a@School.x", "email_verified": True}, "school.x", id="verified"),
        pytest.param({"email": "a@school.x"}, "", id="nobody vouches for it"),
        pytest.param({"email": "a@school.x", "email_verified": False}, "", id="not verified"),
        pytest.param({"email": "a@school.x", "email_verified": "yes"}, "", id="not quite true"),
        pytest.param({"email": None, "email_verified": True}, "", id="none"),
    ],
)
def test_a_domain_counts_when_it_is_vouched_for(info, domain) -> None:
    assert _domain(info) == domain


@pytest.mark.parametrize(
    ("info", "allowed"),
    [
        pytest.param({"email": "a@school.x", "email_verified": True}, True, id="of the domain"),
        pytest.param({"email": "a@other.x", "email_verified": True}, False, id="of another"),
        pytest.param({}, False, id="of none"),
    ],
)
async def test_allowed_domains_let_in(tmp_path, secret, info, allowed) -> None:
    made = configured(
        tmp_path, secret, provider="oidc", issuer="https://x", allowed_domains=["school.x"]
    )
    model = {"name": "a", "admin": None, "groups": [], "auth_state": {"oauth_user": info}}
    assert await made.check_allowed("a", model) is allowed


def test_the_copy_of_the_secret_that_the_hub_may_read_counts(tmp_path, secret) -> None:
    copy = tmp_path / "state" / "secrets" / "oauth_client_secret"
    copy.parent.mkdir(parents=True)
    copy.write_text("the copy\n")
    made = configured(tmp_path, str(tmp_path / "gone"), provider="github", allow_all=True)
    assert made.client_secret == "the copy"
