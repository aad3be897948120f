"""The front's Caddyfile and ports, from the address and the TLS settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from room import front
from room.settings import Settings

CERTS = Path("/certs")


def settings(**values: Any) -> Settings:
    return Settings.model_validate(values)


@pytest.mark.parametrize(
    ("values", "site", "holds", "ports"),
    [
        pytest.param({}, ":8000", "auto_https off", ["127.0.0.1:8000:8000"], id="loopback"),
        pytest.param(
            {"address": "http://gpu.school.example:8080", "insecure_http": True},
            ":8000",
            "auto_https off",
            ["8080:8000"],
            id="plain-http-asked-for",
        ),
        pytest.param(
            {
                "address": "https://gpu.school.example",
                "tls": {"mode": "acme", "email": "a@b.example"},
            },
            "https://gpu.school.example:443",
            "email a@b.example",
            ["443:443", "80:80"],
            id="acme",
        ),
        pytest.param(
            {"address": "https://gpu.school.example:8443", "tls": {"mode": "internal"}},
            "https://gpu.school.example:8443",
            "tls internal",
            ["8443:8443"],
            id="internal",
        ),
        pytest.param(
            {"address": "https://127.0.0.1:8443", "tls": {"mode": "internal"}},
            "https://127.0.0.1:8443",
            "tls internal",
            ["127.0.0.1:8443:8443"],
            id="loopback-https",
        ),
    ],
)
def test_address_and_tls_make_the_front(
    values: dict[str, Any], site: str, holds: str, ports: list[str]
) -> None:
    made = settings(**values)
    text = front.caddyfile(made, CERTS)
    assert f"\n{site} {{\n" in text
    assert holds in text
    assert "reverse_proxy proxy:8000" in text
    assert "header_up -X-Real-Ip" in text, "a browser could claim any address in the hub's log"
    assert front.published_ports(made) == ports
    assert str(front.listening_port(made)) == site.rsplit(":", 1)[1]
