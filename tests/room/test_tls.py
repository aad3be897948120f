"""The student's way over TLS: the front's own authority, and WebSockets through it."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request

import pytest

from tests.utils.hub import free_port
from tests.utils.room import ComposedRoom

pytestmark = pytest.mark.room


def test_smoke_is_green_over_tls_with_the_rooms_own_authority(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    address = f"https://localhost:{free_port()}"
    room = ComposedRoom(
        tmp_path_factory.mktemp("tls"), 0, {"address": address, "tls": {"mode": "internal"}}
    )
    try:
        room.up()
        assert "The room works" in room.run("smoke").stdout
        # Nobody else trusts that authority: what smoke saw was checked.
        with pytest.raises(urllib.error.URLError) as refused:
            urllib.request.urlopen(f"{address}/hub/login")
        assert isinstance(refused.value.reason, ssl.SSLCertVerificationError)
    finally:
        print(room.logs())
        room.close()
