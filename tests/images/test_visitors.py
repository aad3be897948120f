"""Somebody who helps in a server that is not theirs, until they may not any more."""

from __future__ import annotations

import time

import httpx
import pytest

from tests.utils.user_server import HELPER_TOKEN, PREFIX, TOKEN, UserServer
from tests.utils.wait import wait_until

pytestmark = pytest.mark.images


def test_who_may_not_help_any_more_is_out_within_a_second_and_the_owner_is_not(
    pytorch: str,
) -> None:
    with UserServer(pytorch) as server:
        server.wait(timeout=90)

        def status(token: str) -> int:
            url = f"http://127.0.0.1:{server.port}{PREFIX}/api/contents"
            return httpx.get(url, headers={"Authorization": f"token {token}"}).status_code

        assert (status(HELPER_TOKEN), status(TOKEN)) == (200, 200)
        server.sh("touch /tmp/no-help")
        ended = time.monotonic()
        wait_until(lambda: status(HELPER_TOKEN) == 403, timeout=30, explain=server.logs)
        assert time.monotonic() - ended < 5, "a second, and what a busy machine adds"
        assert status(TOKEN) == 200
