# ruff: noqa: F811  (imported fixtures are asked for by their names)
"""What is sent after the session has ended is kept, within bounds; what is too long is said."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from console import kept
from console.kept import EACH, KEPT, MOST_OF_ALL, MOST_OF_ONE, MOST_SENT, Forms, Kept
from room.people import People
from room.store import Store
from tests.unit.test_console import (  # noqa: F401  (fixtures)
    PREFIX,
    Console,
    console,
    store_with_people,
)

ROWS = 2_000
#: Names of four letters beyond ASCII, and two classes each.
ROSTER = "login,class,name\n" + "".join(
    f"student{number:05},ml101 nlp,欧阳小梅\n" for number in range(ROWS)
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = store_with_people(tmp_path)
    yield made
    made.close()


def form(size: int) -> Kept:
    return Kept("/x", b"a=" + b"x" * (size - 2))


def held(forms: Forms, keys: list[str]) -> list[bool]:
    return [forms.get(key) is not None for key in keys]


def test_a_sender_s_oldest_forms_go_for_a_new_one_and_nobody_else_s() -> None:
    forms = Forms()
    other = forms.put("other", form(100))
    half = MOST_OF_ONE // 2
    keys = [forms.put("one", form(half - EACH)) for _ in range(3)]
    assert held(forms, keys) == [False, True, True]
    largest = forms.put("one", form(MOST_SENT))
    assert held(forms, [*keys, largest, other]) == [False, False, False, True, True]


def test_of_many_senders_the_oldest_go() -> None:
    forms = Forms()
    count = MOST_OF_ALL // MOST_SENT
    keys = [forms.put(f"sender-{number}", form(MOST_SENT - EACH)) for number in range(count)]
    assert all(held(forms, keys))
    forms.put("one-more", form(10))
    assert held(forms, keys) == [False, *[True] * (count - 1)]


def test_many_small_forms_count_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MOST_OF_ALL", 10 * EACH)
    forms = Forms()
    keys = [forms.put(str(number), form(3)) for number in range(50)]
    assert sum(held(forms, keys)) == 9


def test_a_form_is_kept_for_half_an_hour() -> None:
    now = [0.0]
    forms = Forms(lambda: now[0])
    key = forms.put("one", form(10))
    now[0] = KEPT
    assert held(forms, [key]) == [True]
    now[0] = KEPT + 1
    assert held(forms, [key, "no such key"]) == [False, False]


def ended(console: Console, path: str, **form: str) -> str:
    """Send a form after the session has ended; return where the sign-in leads to."""
    session = console.sign_in("root")
    console.hub.out.add("root")
    answer = console.client.post(PREFIX + path, data={"_csrf": session.csrf, **form})
    console.hub.out.clear()
    assert answer.status_code == 303
    return html.unescape(answer.headers["location"]).partition("then=")[2]


def test_a_roster_of_two_thousand_rows_survives_the_sign_in(console: Console, store: Store) -> None:
    then = ended(console, "admin/roster", roster=ROSTER, until="2999-12-31")
    session = console.sign_in("root")
    page = console.client.get(then).text
    assert len(page) < 2 * len(ROSTER) + 10_000, "shown in short, and whole in what is sent"
    assert f"{len(ROSTER)} characters in all" in page
    assert session.csrf in page
    sent = {
        name: html.unescape(value)
        for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page)
    }
    assert sent["roster"].splitlines() == ROSTER.splitlines()
    answer = console.client.post(PREFIX + "admin/roster", data=sent)
    assert f"{ROWS} would be added, 0 changed" in answer.text
    code = re.search(r'name="code" value="(\w+)"', answer.text)
    assert code is not None
    answer = console.client.post(PREFIX + "admin/roster", data={**sent, "code": code[1]})
    assert f"{ROWS} added, 0 changed" in answer.text
    assert People(store).get("student01999").name == "欧阳小梅"


def test_the_secret_of_the_ended_session_is_not_kept(console: Console) -> None:
    then = ended(console, "admin/people/bob", act="keep-out")
    session = console.sign_in("root")
    page = console.client.get(then).text
    assert re.findall(r'name="_csrf" value="([^"]+)"', page) == [session.csrf]
    assert "Keep out from now on" in page
    assert "admin/people/bob" in page


def test_where_nothing_can_be_sent_again_the_sign_in_leads_to_a_page(console: Console) -> None:
    assert ended(console, "admin/undo") == PREFIX


def test_what_is_not_kept_any_more_is_said(console: Console) -> None:
    console.sign_in("root")
    page = console.get("again/no-such-key", 404)
    assert "it is for 30 minutes, and up to 4 MiB of one person" in page


def chunks(size: int) -> Iterator[bytes]:
    yield b"a="
    for _ in range(size // 1024):
        yield b"x" * 1024


@pytest.mark.parametrize("signed_in", [True, False])
@pytest.mark.parametrize("how", ["at-once", "in-parts"])
def test_more_than_is_read_is_said_and_kept_nowhere(
    console: Console, how: str, signed_in: bool
) -> None:
    if signed_in:
        console.sign_in("root")
    long = MOST_SENT + 1024
    body = b"".join(chunks(long)) if how == "at-once" else chunks(long)
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = console.client.post(f"{PREFIX}admin/roster", content=body, headers=headers)
    assert answer.status_code == 413
    assert "more than the 4 MiB that can be sent at once" in answer.text


def test_a_program_that_sends_too_much_is_told_in_the_one_shape(console: Console) -> None:
    error = console.ask("root", "POST", "roster", 413, {"roster": "x" * MOST_SENT})
    assert error["error"]["reason"] == "too-long"  # type: ignore[index]


def test_a_form_with_more_fields_than_any_page_has_changes_nothing(console: Console) -> None:
    session = console.sign_in("root")
    body = f"_csrf={session.csrf}&act=archive" + "&a=1" * kept.MOST_FIELDS
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = console.client.post(f"{PREFIX}admin/classes/a", content=body, headers=headers)
    assert answer.status_code == 403


def test_a_roster_that_is_too_long_is_said_with_its_size(console: Console) -> None:
    session = console.sign_in("root")
    form = {"_csrf": session.csrf, "roster": "login\n" + "x" * 1024**2}
    page = console.client.post(f"{PREFIX}admin/roster", data=form).text
    assert "a roster has at most 1 MiB, and this one is 6 bytes longer: import it in parts" in page
