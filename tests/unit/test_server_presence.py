"""What counts as work in a user's server: a kernel that computes, and requests that change."""

from __future__ import annotations

from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

import pytest

from server import presence


class Kernels:
    """A kernel manager, whose kernels are in these states; None: it has not said yet."""

    def __init__(self, *states: str | None) -> None:
        self._kernels = [
            SimpleNamespace() if state is None else SimpleNamespace(execution_state=state)
            for state in states
        ]

    def list_kernel_ids(self) -> list[int]:
        return list(range(len(self._kernels)))

    def get_kernel(self, each: int) -> Any:
        return self._kernels[each]


@pytest.mark.parametrize(
    ("states", "works"),
    [
        pytest.param([], False, id="none"),
        pytest.param(["idle", "starting", None], False, id="at-rest"),
        pytest.param(["idle", "busy"], True, id="one-computes"),
    ],
)
def test_a_kernel_that_computes_is_work(states: list[str | None], works: bool) -> None:
    before = datetime.now(timezone.utc)
    times: dict[str, datetime] = {}
    presence.note(times, Kernels(*states))
    assert bool(times) == works
    assert all(when >= before for when in times.values())


@pytest.mark.parametrize(
    ("method", "path", "work"),
    [
        ("GET", "/user/alice/api/contents", False),
        ("HEAD", "/user/alice/api/contents", False),
        ("POST", "/user/alice/api/sessions", True),
        ("PUT", "/user/alice/api/contents/a.ipynb", True),
        ("DELETE", "/user/alice/api/kernels/1", True),
        ("PUT", "/user/alice/lab/api/workspaces/default", False),
    ],
)
def test_what_a_page_does_by_itself_is_no_work(method: str, path: str, work: bool) -> None:
    handler = SimpleNamespace(request=SimpleNamespace(method=method, path=path))
    assert presence.tracked(handler) == work
