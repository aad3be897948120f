"""A lesson's files come to a home, and come again: a student's changes are never overwritten."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.hub.test_console import violations
from tests.utils.chromium import chromium
from tests.utils.user_server import PREFIX, TOKEN, UserServer

pytestmark = pytest.mark.images

PLACE = "/home/jovyan/lessons/ml101"
GIT = {
    "title": "Week 1",
    "class": "ml101",
    "kind": "git",
    "repository": "/tmp/origin",
    "branch": "",
    "path": "",
    "place": "lessons/ml101/week-1",
    "page": "梅 1.ipynb",
}
FOLDER = {**GIT, "kind": "folder", "repository": "", "path": "week 2", "place": "lessons/ml101/w2"}
#: What an instructor writes, and what both do before the link is followed again. The student edits
#: one line of a file in which the instructor edits that one and another, deletes a file, deletes
#: one that the instructor changes, and has a new file of the same name as a new one.
FIRST = """
printf 'one\\ntwo\\nthree\\nfour\\nfive\\nsix\\n' > both.py; echo theirs > untouched.py
echo 1 > deleted.py; echo 1 > deleted-changed.py; echo 1 > gone-changed.py; echo 1 > gone.py
echo '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}' > '梅 1.ipynb'
"""
STUDENT = """
sed -i 's/^one$/one of mine/' both.py; rm deleted.py deleted-changed.py
echo mine > gone-changed.py; echo mine > new.py; echo mine > '新.py'; echo only mine > own.py
"""
SECOND = """
sed -i 's/^one$/one of theirs/; s/^six$/six of theirs/' both.py; echo 2 > deleted-changed.py
rm gone-changed.py gone.py; echo theirs > new.py; echo theirs > '新.py'; echo newer > untouched.py
"""
COMMIT = "git add --all && git -c user.name=t -c user.email=t@x commit --quiet --message=x"


@pytest.fixture(scope="module")
def server(pytorch: str) -> Iterator[UserServer]:
    with UserServer(pytorch) as started:
        yield started.wait(timeout=90)


def lesson(server: UserServer, told: dict[str, Any]) -> None:
    """Let the hub say what a lesson is."""
    subprocess.run(
        ["docker", "exec", "--interactive", server.name, "sh", "-c", "cat > /tmp/lesson.json"],
        input=json.dumps(told), text=True, check=True, timeout=30,
    )  # fmt: skip


def follow(server: UserServer, language: str = "en") -> tuple[str, str]:
    """Bring the lesson's files; return the path where this ends, and the page that is there."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}{PREFIX}/room/lesson/abc",
        method="POST",
        headers={"Authorization": f"token {TOKEN}", "Accept-Language": language},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.geturl().partition(PREFIX)[2], answer.read().decode()


def both_worked(server: UserServer, place: str, theirs: str, commit: str) -> None:
    """Let student and instructor work, bring it again, and look at what came of it."""
    server.sh(f"cd '{place}' && {STUDENT}")
    server.sh(f"cd '{theirs}' && {SECOND} {commit}")
    where, page = follow(server)
    assert where.startswith("/lab/tree/lessons/ml101/"), page

    def found(name: str) -> str:
        return server.sh(f"cat '{place}/{name}' 2>/dev/null || echo none").strip()

    assert found("both.py").splitlines() == [
        "one of mine", "two", "three", "four", "five", "six of theirs",
    ]  # fmt: skip
    assert found("untouched.py") == "newer"
    assert found("deleted.py") == "1", "what is deleted comes back, as a way to a fresh copy"
    assert found("deleted-changed.py") == "2"
    assert found("gone-changed.py") == "mine"
    assert found("gone.py") == "none"
    assert found("own.py") == "only mine"
    for name in ("new", "新"):
        assert found(f"{name}.py") == "theirs"
        assert server.sh(f"cat '{place}/{name}__'2*.py").strip() == "mine"
    # Again, with nothing new on either side, nothing changes.
    before = server.sh(f"cd '{place}' && ls && cat *.py")
    follow(server)
    assert server.sh(f"cd '{place}' && ls && cat *.py") == before


def test_a_repository_s_changes_and_a_student_s_both_stay(server: UserServer) -> None:
    server.sh(f"mkdir /tmp/origin && cd /tmp/origin && git init --quiet && {FIRST} {COMMIT}")
    lesson(server, GIT)
    where, page = follow(server)
    assert where == "/lab/tree/lessons/ml101/week-1/%E6%A2%85%201.ipynb"
    assert "jupyter-config-data" in page
    both_worked(server, f"{PLACE}/week-1", "/tmp/origin", COMMIT)


def test_a_class_folder_s_changes_and_a_student_s_both_stay(server: UserServer) -> None:
    there = "/class/ml101/week 2"
    server.sh("mkdir -m 777 -p /class && mkdir -m 777 /class/ml101", "--user=0")
    server.sh(f"mkdir '{there}' && cd '{there}' && {FIRST}")
    lesson(server, FOLDER)
    where, _ = follow(server)
    assert where == "/lab/tree/lessons/ml101/w2/%E6%A2%85%201.ipynb"
    both_worked(server, f"{PLACE}/w2", there, "")


@pytest.mark.parametrize(
    ("told", "english", "chinese"),
    [
        pytest.param({"repository": "/tmp/nowhere"}, "does not answer", "没有响应", id="nowhere"),
        pytest.param({"branch": "nosuch"}, "no such branch", "没有这个分支", id="branch"),
        pytest.param(
            {"kind": "folder", "path": "nowhere"},
            "There is nothing in",
            "没有任何内容",
            id="folder",
        ),
        pytest.param(
            {"place": "examples"}, "There is a folder examples of your own", "examples", id="taken"
        ),
    ],
)
def test_what_cannot_be_brought_is_said_and_leaves_nothing(
    server: UserServer, told: dict[str, str], english: str, chinese: str
) -> None:
    lesson(server, {**GIT, "place": "lessons/ml101/failing", **told})
    for language, words in (("en", english), ("zh-CN", chinese)):
        where, page = follow(server, language)
        assert where == "/room/lesson/abc"
        assert words in page
        assert "Traceback" not in page.partition("<details>")[0]
    assert "failing" not in server.sh(f"ls {PLACE} 2>/dev/null || true")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as made:
        yield made


@pytest.mark.browser
@pytest.mark.parametrize("scripts", [True, False], ids=["by-itself", "without-a-script"])
def test_the_page_goes_on_and_reads_well_for_everyone(
    server: UserServer, browser: Any, scripts: bool
) -> None:
    def opened(told: dict[str, Any], scheme: str, **options: Any) -> Any:
        lesson(server, told)
        context = browser.new_context(
            color_scheme=scheme,
            viewport={"width": 390, "height": 800},
            extra_http_headers={"Authorization": f"token {TOKEN}"},
            **options,
        )
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{server.port}{PREFIX}/room/lesson/abc")
        return page

    place = f"lessons/ml101/seen-{scripts}"
    server.sh("rm -rf /tmp/seen")
    page = opened(
        {**GIT, "repository": "/tmp/seen", "place": place}, "dark", java_script_enabled=scripts
    )
    if not scripts:
        page.get_by_role("button", name="Bring the files and open the lesson").click()
    page.get_by_role("alert").wait_for()
    server.sh(f"mkdir /tmp/seen && cd /tmp/seen && git init -q && {FIRST} {COMMIT}")
    page.get_by_role("button", name="Try again").click()
    page.wait_for_url(f"**/lab/tree/{place}/**")
    page.context.close()
    for scheme, locale in (("light", "en-US"), ("dark", "zh-CN")):
        page = opened(
            {**GIT, "repository": "/tmp/nowhere", "place": place + "-not"}, scheme, locale=locale
        )
        page.get_by_role("alert").wait_for()
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.context.close()


def test_a_lesson_that_is_not_for_its_owner_is_none(server: UserServer) -> None:
    server.sh("rm -f /tmp/lesson.json")
    assert "There is no such lesson for you" in follow(server)[1]


def test_nbgitpuller_s_own_address_which_takes_any_repository_is_not_there(
    server: UserServer,
) -> None:
    status = server.sh(
        "curl --silent --output /dev/null --write-out '%{http_code}' "
        f'--header "Authorization: token $JUPYTERHUB_API_TOKEN" '
        f"http://127.0.0.1:8888{PREFIX}/git-pull?repo=x"
    )
    assert status == "404"
