# ruff: noqa: F811  (fixtures of another file are imported, and asked for by their names)
"""The pages on GPUs and the queue in a browser, with a hub that answers what it is told to."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.hub.test_console import violations
from tests.unit.test_console import PREFIX, Console, console, store  # noqa: F401  (fixtures)
from tests.unit.test_console_doctor import KNOWN
from tests.unit.test_console_fleet import LEASE, TICKET, UNIT, USE, answer
from tests.utils.chromium import chromium

ORIGIN = "http://console.test"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("locale", "words"),
    [("en-US", {"gpus": "Give out again", "queue": "Waits since", "queue/remove/t1": "out of the",
                "doctor": "Notebooks cannot be saved"}),
     ("zh-CN", {"gpus": "重新分配", "queue": "等待开始于", "queue/remove/t1": "移出队列",
                "doctor": "笔记本无法保存"})],
)  # fmt: skip
def test_the_pages_are_for_everyone(
    console: Console, locale: str, words: dict[str, str], scheme: str
) -> None:
    sick = {**UNIT, "uuid": "GPU-2", "health": "quarantined", "why": "fan"}
    held = {**UNIT, "lease": LEASE, "use": USE}
    console.hub.fleet_answer = answer(held, sick, queue=(TICKET,))
    console.hub.live_answer = KNOWN
    console.sign_in("root")

    def fulfil(route: Any) -> None:
        url = urlsplit(route.request.url)
        found = console.client.get(f"{url.path}?{url.query}", headers={"accept-language": locale})
        route.fulfill(status=found.status_code, headers=dict(found.headers), body=found.content)

    with chromium() as browser:
        page = browser.new_context(locale=locale, color_scheme=scheme).new_page()
        page.route("**/*", fulfil)
        for path, said in words.items():
            page.goto(f"{ORIGIN}{PREFIX}admin/{path}")
            assert said in page.locator("main").inner_text()
            for closed in page.locator("summary").all():
                closed.press("Enter")
            assert violations(page) == []
