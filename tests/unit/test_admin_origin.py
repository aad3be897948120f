"""From where an admin's act came, as the hub writes it into the audit."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from pydantic import ValidationError

from spawner.admin import AdminHandler, Request
from spawner.keeper import NAME


@pytest.mark.parametrize(
    ("kind", "name", "told", "origin"),
    [
        pytest.param("service", NAME, "", "command", id="command"),
        pytest.param("service", "site-bot", "", "hub", id="another-service"),
        pytest.param("user", "root", "", "hub 10.0.0.7", id="program"),
        pytest.param("user", NAME, "", "hub 10.0.0.7", id="a-person-of-that-name"),
        pytest.param(
            "user", "root", "console page 10.0.0.9", "console page 10.0.0.9", id="console"
        ),
    ],
)
def test_the_audit_says_from_where(kind: str, name: str, told: str, origin: str) -> None:
    handler = SimpleNamespace(
        current_user=SimpleNamespace(kind=kind),
        actor=name,
        request=SimpleNamespace(remote_ip="10.0.0.7"),
    )
    assert AdminHandler.origin(handler, Request(origin=told)) == origin  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "told", ["command", "console", "console page <b>", "console page " + "1" * 46, "page 10.0.0.7"]
)
def test_nobody_writes_another_origin_than_the_console_s(told: str) -> None:
    with pytest.raises(ValidationError):
        Request(origin=told)
