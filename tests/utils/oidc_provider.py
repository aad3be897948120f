"""A real OpenID Connect provider on loopback: django-oauth-toolkit, in a process of its own.

Run as ``python -m tests.utils.oidc_provider PORT DIRECTORY``; ``DIRECTORY/provider.json``
names its people and its one client. It insists on PKCE.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import httpx

from tests.utils.wait import wait_until

CLIENT_ID, CLIENT_SECRET = "room", "a secret of the client"
PASSWORD = "correct horse"


class Provider:
    """The process, started; ``people`` are login → claims."""

    def __init__(
        self, directory: Path, port: int, callback: str, people: Mapping[str, Any]
    ) -> None:
        self.issuer = f"http://127.0.0.1:{port}/o"
        self.log = directory / "provider.log"
        (directory / "provider.json").write_text(
            json.dumps({"callback": callback, "people": dict(people)})
        )
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(port), str(directory)],
                cwd=Path(__file__).parents[2],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        wait_until(self._answers, timeout=60, explain=self.log.read_text)

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            url = f"{self.issuer}/.well-known/openid-configuration"
            return httpx.get(url).status_code == 200
        except httpx.TransportError:
            return False

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=20)


def configure(port: int, directory: Path) -> None:
    """Set Django up for one provider."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from django.conf import settings

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
    settings.configure(
        SECRET_KEY=os.urandom(32).hex(),
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF=__name__,
        USE_TZ=True,
        LOGIN_URL="/login/",
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": str(directory / "provider.sqlite"),
            }
        },
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "oauth2_provider",
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "OPTIONS": {
                    "loaders": [
                        (
                            "django.template.loaders.locmem.Loader",
                            {
                                "registration/login.html": "<form method=post>{% csrf_token %}"
                                "{{ form.as_p }}<input type=hidden name=next value='{{ next }}'>"
                                "<button>Log in</button></form>",
                            },
                        )
                    ],
                    "context_processors": ["django.template.context_processors.request"],
                },
            }
        ],
        OAUTH2_PROVIDER={
            "OIDC_ENABLED": True,
            "OIDC_ISS_ENDPOINT": f"http://127.0.0.1:{port}/o",
            "OIDC_RSA_PRIVATE_KEY": key.decode(),
            "OAUTH2_VALIDATOR_CLASS": f"{__name__}.Validator",
            "PKCE_REQUIRED": True,
            "ALLOWED_REDIRECT_URI_SCHEMES": ["http", "https"],
            "SCOPES": {s: s for s in ("openid", "profile", "email", "groups")},
        },
    )


def fill(directory: Path) -> dict[str, Any]:
    """Make the tables, the client and the people; return login → claims."""
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    from django.contrib.auth.models import User
    from oauth2_provider.models import Application

    wanted = json.loads((directory / "provider.json").read_text())
    for login in wanted["people"]:
        if not User.objects.filter(username=login).exists():
            User.objects.create_user(login, password=PASSWORD)
    Application.objects.get_or_create(
        client_id=CLIENT_ID,
        defaults={
            "client_secret": CLIENT_SECRET,
            "client_type": Application.CLIENT_CONFIDENTIAL,
            "authorization_grant_type": Application.GRANT_AUTHORIZATION_CODE,
            "redirect_uris": wanted["callback"],
            "skip_authorization": True,
            "algorithm": Application.RS256_ALGORITHM,
        },
    )
    return dict(wanted["people"])


class _Threaded(ThreadingMixIn, WSGIServer):
    daemon_threads = True


def main() -> None:
    port, directory = int(sys.argv[1]), Path(sys.argv[2])
    # Django imports this module again, by its name: everything is there, not in __main__.
    from tests.utils import oidc_provider

    oidc_provider.configure(port, directory)
    people = oidc_provider.fill(directory)
    oidc_provider.serve(port, people)


def serve(port: int, people: dict[str, Any]) -> None:
    """Answer until the process ends."""
    from django.contrib.auth.views import LoginView
    from django.core.wsgi import get_wsgi_application
    from django.urls import include, path
    from oauth2_provider.oauth2_validators import OAuth2Validator

    class Validator(OAuth2Validator):  # type: ignore[misc]
        """Adds what the school knows about somebody."""

        oidc_claim_scope = {  # noqa: RUF012
            **OAuth2Validator.oidc_claim_scope,
            "groups": "groups",
            "roles": "groups",
        }

        def get_additional_claims(self, request: Any) -> dict[str, Any]:
            login = request.user.username
            return {"preferred_username": login, **people.get(login, {})}

    globals()["Validator"] = Validator
    globals()["urlpatterns"] = [
        path("login/", LoginView.as_view()),
        path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
    ]
    make_server(
        "127.0.0.1",
        port,
        get_wsgi_application(),
        server_class=_Threaded,
        handler_class=WSGIRequestHandler,
    ).serve_forever()


if __name__ == "__main__":
    main()
