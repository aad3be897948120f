# ruff: noqa: F811  (fixtures of another file are imported, and asked for by their names)
"""What the hub lets the console do in the name of who signs in to it."""

from __future__ import annotations

import pytest

from tests.hub.test_console import PREFIX, Console, console, signed_in  # noqa: F401  (fixtures)


@pytest.mark.parametrize(
    ("login", "may"), [pytest.param("root", True, id="admin"), pytest.param("tina", False, id="no")]
)
def test_an_admin_s_sign_in_reaches_the_gpus_and_no_other_does(
    console: Console, login: str, may: bool
) -> None:
    with signed_in(console, login) as browser:
        assert browser.get(PREFIX).status_code == 200
        tokens = console.hub.api("GET", f"/users/{login}/tokens").json()["api_tokens"]
        (scopes,) = [each["scopes"] for each in tokens if each["oauth_client"]]
        assert ("admin:servers" in scopes) is may
        assert (browser.get(f"{PREFIX}admin/gpus").status_code != 404) is may
