"""A rehearsal's report in a browser: for everyone, by day at a desk and by night on a phone."""

from __future__ import annotations

from datetime import timezone
from pathlib import Path
from typing import Any

import pytest

from cli.rehearsal import report
from tests.hub.test_console import chrome, violations  # noqa: F401  (a fixture)
from tests.hub.test_console_pages import DESK, PHONE
from tests.utils.rehearsed import REHEARSAL


@pytest.mark.parametrize("look", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_it_reads_well_for_everyone(
    chrome: Any,  # noqa: F811
    tmp_path: Path,
    language: str,
    look: dict[str, Any],
) -> None:
    file = tmp_path / "report.html"
    file.write_text(report.page(REHEARSAL, language, timezone.utc), "utf-8")
    page = chrome.new_page(**look)
    page.goto(file.as_uri())
    assert page.get_by_role("heading", level=1).count() == 1
    assert page.locator("svg").count() == 5
    assert violations(page) == []
    # What is wider than a phone scrolls by itself, and not the page with it.
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    # The smallest words of a plot, as they are shown.
    size = page.locator("svg text").first.evaluate("text => text.getBoundingClientRect().height")
    assert size > 9
    page.close()
