# ruff: noqa: F811  (fixtures of another file are imported, and asked for by their names)
"""An instructor publishes from addresses in the console; what lets the room in is seen nowhere."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.publications import Publications
from tests.hub.test_console import (  # noqa: F401  (fixtures)
    PREFIX,
    Console,
    chrome,
    page_of,
    signed_in,
    violations,
)
from tests.hub.test_console_datasets import (  # noqa: F401  (fixtures)
    agent,
    console,
    csrf,
    found,
    port,
    root,
    too_wide,
)
from tests.utils.file_server import FileServer, certificate, file_server
from tests.utils.wait import wait_until

SECRET = "hunter2-s3cret"
ALLOWED = "Basic dGluYTpodW50ZXIyLXMzY3JldA=="
WORDS = {
    "en-US": {"publish": "Publish", "tab": "Addresses on the web"},
    "zh-CN": {"publish": "发布", "tab": "网络地址"},
}


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    pem = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    with file_server(pem) as server:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("train/1.png", b"picture")
        server.files["/cats.zip"] = packed.getvalue()
        server.authorization = ALLOWED
        yield server


@pytest.mark.parametrize("locale", ["zh-CN"])
def test_an_instructor_publishes_an_archive_of_a_server_that_wants_a_password(
    console: Console,
    agent: Publications,
    web: FileServer,
    page_of: Any,
    root: Path,
    locale: str,
) -> None:
    name, words = f"web-{locale.lower()}", WORDS[locale]
    page = page_of("tina", locale, "datasets")
    page.get_by_role("link", name=words["tab"]).click()
    page.locator("#addresses").wait_for()
    page.set_viewport_size({"width": 390, "height": 800})
    page.emulate_media(color_scheme="dark" if locale == "zh-CN" else "light")
    page.locator("#name").fill(name)
    page.locator("#addresses").fill("ftp://example.org/x")
    page.get_by_role("button", name=words["publish"], exact=True).click()
    assert "ftp://example.org/x" in page.locator("#notes [role=alert]").inner_text()
    page.locator("#addresses").fill(f"{web.url}/cats.zip?signature={SECRET}")
    page.locator("#unpack").check()
    page.locator("#new-access").focus()
    page.keyboard.press("Enter")
    page.locator("#new-user").fill("tina")
    page.locator("#new-password").fill("wrong")
    assert violations(page) == []
    assert not too_wide(page)
    page.locator("input[name=class][value=ml101]").check()
    page.get_by_role("button", name=words["publish"], exact=True).click()
    page.wait_for_url("**/datasets?said=publishing")
    page.locator("#datasets [role=alert]").wait_for()
    assert f"{web.url}/cats.zip" in page.locator("#datasets").inner_text()
    assert SECRET not in page.content()
    (one,) = agent.all()
    page.locator(f"[id='{one.job.id}-access']").focus()
    page.keyboard.press("Enter")
    page.locator(f"[id='{one.job.id}-user']").fill("tina")
    page.locator(f"[id='{one.job.id}-password']").fill(SECRET)
    assert violations(page) == []
    assert not too_wide(page)
    page.locator(f"#again-{one.job.id}").click()
    page.wait_for_url("**/datasets?said=publishing")
    page.get_by_role("link", name=name).wait_for()
    wait_until(lambda: agent.all() == [], timeout=30)
    assert found(console, name).newest.files == 1
    lying = [
        path for path in [*root.rglob("*"), *console.hub.directory.rglob("*")] if path.is_file()
    ]
    assert lying
    assert [path for path in lying if SECRET.encode() in path.read_bytes()] == []


def test_programs_publish_from_addresses_and_are_told_no_secret(
    console: Console, agent: Publications, web: FileServer
) -> None:
    with signed_in(console, "tina") as browser:
        headers = {"X-CSRF-Token": csrf(browser), "Origin": str(browser.base_url).rstrip("/")}

        def ask(path: str, **told: Any) -> Any:
            return browser.post(f"{PREFIX}api/{path}", json=told, headers=headers)

        refused = ask("datasets", name="json", addresses=["file:///etc/shadow"])
        assert refused.status_code == 409
        assert "file:///etc/shadow" in refused.text
        address = f"{web.url}/cats.zip?signature={SECRET}"
        begun = ask("datasets", name="json", addresses=[address], access={"password": SECRET})
        assert begun.status_code == 202
        assert begun.json()["addresses"] == [f"{web.url}/cats.zip"]
        identity = begun.json()["id"]
        wait_until(lambda: agent.all()[0].job.state == "failed", timeout=30)
        told = browser.get(f"{PREFIX}api/publications").text
        assert "does not let the room in" in told
        assert SECRET not in told + begun.text
        other = ask(f"publications/{identity}/again", addresses=[f"{web.url}/dogs.zip"])
        assert "other addresses" in other.text
        access = {"user": "tina", "password": SECRET}
        again = ask(f"publications/{identity}/again", access=access)
        assert again.status_code == 200
        wait_until(lambda: found(console, "json"), timeout=30)


def test_a_form_that_comes_back_has_no_password_in_it(
    console: Console, agent: Publications, web: FileServer
) -> None:
    with signed_in(console, "tina") as browser:
        form = {
            "_csrf": csrf(browser),
            "from": "url",
            "name": "No Name!",
            "addresses": f"https://tina:{SECRET}@example.org/x?signature={SECRET}",
            "access-token": SECRET,
            "access-endpoint": "https://s3.example.org",
        }
        answer = browser.post(f"{PREFIX}datasets", data=form)
        assert SECRET not in answer.text
        assert re.search(r">\s*https://example.org/x</textarea>", answer.text)
        assert 'value="https://s3.example.org"' in answer.text
