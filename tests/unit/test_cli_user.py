import csv
import io
import re
import stat
from datetime import datetime, timezone
from types import SimpleNamespace

import pytest
import segno
from click.testing import CliRunner

from cli import context
from cli.classes import class_
from cli.errors import FAILED
from cli.user import user
from room.people import People
from room.person import Accepted, Refused
from room.store import Store, migrate

ADDRESS = "https://room.example"
#: When 31 January is over in Shanghai.
END = datetime(2999, 1, 31, 16, tzinfo=timezone.utc)


@pytest.fixture
def url(tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path / 'room.sqlite'}"
    store = Store(url)
    migrate.upgrade(store)
    store.close()
    monkeypatch.setattr(context, "store", lambda: Store(url))
    monkeypatch.setattr(
        context, "settings", lambda: SimpleNamespace(address=ADDRESS, timezone="Asia/Shanghai")
    )
    return url


@pytest.fixture
def people(url):
    store = Store(url)
    yield People(store)
    store.close()


def room_user(*arguments: str, status: int = 0, **kwargs):
    result = CliRunner().invoke(user, arguments, **kwargs)
    assert result.exit_code == status, result.output
    assert "Traceback" not in result.output
    return result


def read_links(path) -> dict[str, str]:
    rows = csv.DictReader(io.StringIO(path.read_text("utf-8-sig")))
    return {row["login"]: row["link"] for row in rows}


def test_add_prints_one_link_that_lets_in_and_nothing_else_on_stdout(people) -> None:
    result = room_user("add", "Alice", "--class", "ML101")
    assert result.stdout.startswith(f"{ADDRESS}/hub/login#token=")
    assert people.verify(result.stdout) == Accepted("alice", people.verify(result.stdout).token_id)
    assert list(people.get("alice").enrolled) == ["ml101"]


def test_adding_again_keeps_the_link(people) -> None:
    link = room_user("add", "alice").stdout
    again = room_user("add", "alice", "--admin", "--class", "ml101")
    assert again.stdout == ""
    assert people.get("alice").admin
    assert isinstance(people.verify(link), Accepted)


@pytest.mark.parametrize(
    "login", ["../../etc", "an na", "x" * 300, "😀", "аlice", "", "-rf"]  # noqa: RUF001
)  # fmt: skip
def test_a_hostile_login_is_refused_with_the_rule(people, login) -> None:
    result = room_user("add", "--", login, status=FAILED)
    assert "a login starts with a letter" in " ".join(result.output.split())
    assert people.all() == []


def test_import_writes_private_links_and_imports_again_without_harm(people, tmp_path) -> None:
    roster, links = tmp_path / "roster.csv", tmp_path / "links.csv"
    roster.write_text("login,class,name\nA-B,ml101,=1+1\nbob,ml101,Bob\n")
    assert "2 added" in room_user("import", str(roster), "--links", str(links)).output
    assert stat.S_IMODE(links.stat().st_mode) == 0o600
    made = read_links(links)
    assert {people.verify(link).login for link in made.values()} == {"a-b", "bob"}
    assert ",'=1+1," in links.read_text("utf-8-sig"), "no formula for the spreadsheet"

    more = tmp_path / "more.csv"
    assert "2 as they were" in room_user("import", str(roster), "--links", str(more)).output
    assert read_links(more) == {}
    assert isinstance(people.verify(made["bob"]), Accepted)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param(
            "A-B\nx\na-b\n", "line 3: 'a-b' is the same login as 'A-B' in line 1", id="case"
        ),
        pytest.param("ok\n../../etc\n", "line 2: '../../etc' is no login", id="path"),
        pytest.param("", "The roster is empty", id="empty"),
    ],
)
def test_a_wrong_roster_leaves_nothing_behind(people, tmp_path, text, words) -> None:
    roster, links = tmp_path / "roster.csv", tmp_path / "links.csv"
    roster.write_text(text)
    result = room_user("import", str(roster), "--links", str(links), status=FAILED)
    assert words in " ".join(result.output.split())
    assert people.all() == []
    assert not links.exists()


def test_an_existing_links_file_is_kept_and_nobody_is_imported(people, tmp_path) -> None:
    roster, links = tmp_path / "roster.csv", tmp_path / "links.csv"
    roster.write_text("alice\n")
    links.write_text("mine")
    result = room_user("import", str(roster), "--links", str(links), status=FAILED)
    assert "exists; nothing was imported" in " ".join(result.output.split())
    assert (links.read_text(), people.all()) == ("mine", [])


def test_a_commit_that_fails_takes_the_links_file_back(people, tmp_path, monkeypatch) -> None:
    roster, links = tmp_path / "roster.csv", tmp_path / "links.csv"
    roster.write_text("alice\n")
    plain = People.import_roster

    def full_at_commit(self, *args, **kwargs):
        plain(self, *args, **kwargs)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(People, "import_roster", full_at_commit)
    room_user("import", str(roster), "--links", str(links), status=FAILED)
    assert not links.exists()


def test_revoke_ends_every_link_and_add_starts_anew(people) -> None:
    link = room_user("add", "alice").stdout
    assert "alice is out" in room_user("revoke", "alice").output
    assert people.verify(link) == Refused("revoked", "alice")
    assert "was revoked on" in " ".join(room_user("link", "alice", status=FAILED).output.split())
    assert isinstance(people.verify(room_user("add", "alice").stdout), Accepted)


def test_link_replaces_and_once_works_once(people) -> None:
    first = room_user("add", "alice").stdout
    once = room_user("link", "alice", "--once").stdout
    assert people.verify(first) == Refused("unknown")
    accepted = people.verify(once)
    assert people.use(accepted)
    assert people.verify(once) == Refused("used", "alice")
    assert "is no length of time" in room_user("link", "alice", "--expires", "5y", status=2).output


def test_nobody_by_that_name_is_said_with_the_remedy(people) -> None:
    for command in (["link", "ghost"], ["revoke", "ghost"], ["remove", "--yes", "ghost"]):
        output = " ".join(room_user(*command, status=FAILED).output.split())
        assert "Nobody in this room has the login 'ghost'. → Let them in: room user add" in output


def test_list_shows_people_and_their_state(people) -> None:
    room_user("add", "alice", "--class", "ml101", "--name", "Alice [bold]")
    room_user("add", "bob")
    room_user("revoke", "bob")
    table = room_user("list").output
    assert "Alice [bold]" in table
    assert "revoked" in table
    assert "bob" not in room_user("list", "--class", "ML101").output
    rows = list(csv.DictReader(io.StringIO(room_user("list", "--csv").output)))
    assert [(row["login"], row["links"]) for row in rows] == [("alice", "1"), ("bob", "0")]


def test_remove_from_a_class_keeps_the_person(people) -> None:
    room_user("add", "alice", "--class", "ml101", "--class", "dl202")
    room_user("remove", "--yes", "alice", "--class", "ml101")
    assert list(people.get("alice").enrolled) == ["dl202"]
    room_user("remove", "--yes", "alice")
    assert people.find("alice") is None


def room_class(*arguments: str, status: int = 0) -> str:
    result = CliRunner().invoke(class_, arguments)
    assert result.exit_code == status, result.output
    return " ".join(result.output.split())


def words(result) -> str:
    return " ".join(result.output.split())


def test_a_role_is_for_a_class_and_said_where_people_are_listed(people) -> None:
    result = CliRunner().invoke(user, ["add", "bob", "--role", "instructor"])
    assert "--role needs the class it is for" in result.output
    room_user("add", "bob", "--class", "ml101", "--class", "nlp", "--role", "assistant")
    said = room_user("role", "bob", "ml101", "instructor").output
    assert "bob is in the room, in ml101:instructor, nlp:assistant." in said
    assert "is no role: a role is student, assistant or instructor" in words(
        room_user("role", "bob", "ml101", "boss", status=2)
    )
    assert "room user add bob --class dl202" in words(
        room_user("role", "bob", "dl202", "student", status=FAILED)
    )
    rows = list(csv.DictReader(io.StringIO(room_user("list", "--csv").output)))
    assert rows[0]["class"] == "ml101:instructor nlp:assistant"


def test_what_is_listed_can_be_imported_again(people, tmp_path) -> None:
    room_user("add", "bob", "--class", "ml101", "--role", "instructor", "--name", "Bob")
    roster = tmp_path / "roster.csv"
    roster.write_text(room_user("list", "--csv").output)
    assert "0 added, 0 changed, 1 as they were" in room_user("import", str(roster)).output


def test_a_dry_run_says_each_change_and_does_none_and_its_code_does_just_that(
    people, tmp_path
) -> None:
    room_user("add", "alice", "--class", "ml101", "--name", "Alice")
    room_user("add", "carol", "--class", "ml101")
    roster = tmp_path / "roster.csv"
    roster.write_text(
        "login,class,name,role\nalice,ml101,Alice B.,assistant\nbob,nlp\ncarol,ml101\n"
    )
    shown = room_user("import", str(roster), "--dry-run").output
    assert [" ".join(line.split()) for line in shown.splitlines()[:4]] == [
        "alice changed name: Alice → Alice B.; role in ml101: student → assistant",
        "bob added role in nlp: none → student",
        "carol unchanged",
        "1 added, 1 changed, 1 as they were. Nothing is done yet.",
    ]
    assert [person.login for person in people.all()] == ["alice", "carol"]
    code = re.search(r"--as-shown (\w+)", shown).group(1)
    roster.write_text(roster.read_text() + "dave\n")
    refused = room_user("import", str(roster), "--as-shown", code, status=FAILED)
    assert "something else by now than what was shown; nothing was changed" in words(refused)
    assert people.find("bob") is None
    roster.write_text(roster.read_text().replace("dave\n", ""))
    room_user("import", str(roster), "--as-shown", code)
    assert people.get("bob").enrolled["nlp"].role == "student"


def test_a_dry_run_names_the_lines_that_are_refused_beside_what_the_others_do(
    people, tmp_path
) -> None:
    roster = tmp_path / "roster.csv"
    roster.write_text("alice,ml101\n../etc\nbob,ml101:boss\n,x\n")
    said = words(room_user("import", str(roster), "--dry-run", status=FAILED))
    assert "alice added role in ml101: none → student" in said
    for line in ("line 2: '../etc' is no login", "line 3: 'boss' is no role", "line 4: there is"):
        assert line in said
    assert people.all() == []


def test_a_last_day_counts_to_its_end(people) -> None:
    room_user("add", "alice", "--until", "2999-01-31")
    assert people.get("alice").until == END
    room_user("add", "bob", "--class", "ml101", "--until", "2999-01-31")
    assert people.get("bob").until is None
    assert people.get("bob").enrolled["ml101"].until == END
    room_user("add", "alice", "--until", "never")
    assert people.get("alice").until is None
    for day, said in (("2020-01-01", "is over already"), ("soon", "says no time")):
        assert said in words(room_user("add", "alice", "--until", day, status=FAILED))


def test_archiving_says_whom_it_keeps_out_and_restoring_brings_them_back(people) -> None:
    link = room_user("add", "alice", "--class", "ml101").stdout
    room_user("add", "bob", "--class", "ml101", "--class", "nlp", "--role", "instructor")
    said = room_class("archive", "ML101")
    assert "ml101 is archived: 1 person kept out from now on, 1 person not in it alone" in said
    assert people.verify(link) == Refused("over", "alice")
    listed = room_class("list")
    assert "ml101 bob 1 archived" in listed
    assert "nlp bob 0 goes on" in listed
    assert "class over" in room_user("list", "--class", "ml101").output
    assert "→ Bring it back first: room class restore ml101" in words(
        room_user("add", "carol", "--class", "ml101", status=FAILED)
    )
    assert "1 person back in" in room_class("restore", "ml101")
    assert isinstance(people.verify(link), Accepted)
    assert "There is no class 'nix'" in room_class("archive", "nix", status=FAILED)


def test_slips_are_private_and_each_has_a_link_that_lets_in(people, tmp_path) -> None:
    room_user("add", "has-one", "--class", "ml101")
    roster = tmp_path / "roster.csv"
    roster.write_text("alice,ml101,<Alice & Co>\nbob,ml101\ncarol,nlp\n")
    room_user("import", str(roster))
    people.add("bob", until=datetime(3000, 1, 1, tzinfo=timezone.utc))
    out = tmp_path / "slips.html"
    said = words(room_user("slips", "ML101", "--out", str(out)))
    assert "2 slips are in" in said
    assert "Have a link already, and so no slip: has-one." in said
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    page = out.read_text()
    links = re.findall(r"<code>([^<]+)</code>", page)
    assert sorted(people.verify(link).login for link in links) == ["alice", "bob"]
    assert "<strong>&lt;Alice &amp; Co&gt;</strong>" in page
    assert page.count("<svg") == 2
    told = re.findall(r"<small>([^<]+)</small>", page)
    # In the time zone of the settings, Asia/Shanghai.
    assert told == ["Works as long as you are in the room.", "Works until 3000-01-01 08:00."]
    for link in links:
        assert segno.make(link, error="m", micro=False).svg_inline(omitsize=True, border=2) in page
    assert not re.search(r'(src|href)="', page), "it loads nothing"
    assert "viewBox" in page, "a code without one is cut off, not scaled"


def test_slips_that_cannot_be_made_leave_no_file_and_no_link(people, tmp_path) -> None:
    out = tmp_path / "slips.html"
    assert "no class 'ml101'" in words(
        room_user("slips", "ml101", "--out", str(out), status=FAILED)
    )
    link = room_user("add", "alice", "--class", "ml101").stdout
    assert "Everyone in ml101 has a link already" in words(
        room_user("slips", "ml101", "--out", str(out), status=FAILED)
    )
    assert not out.exists()
    out.write_text("mine")
    refused = room_user("slips", "ml101", "--out", str(out), "--all-links", status=FAILED)
    assert "exists; no link was made" in words(refused)
    assert (out.read_text(), people.get("alice").links) == ("mine", 1)
    out.unlink()
    room_user("slips", "ml101", "--out", str(out), "--all-links")
    assert people.get("alice").links == 2
    assert isinstance(people.verify(link), Accepted), "the old link goes on"
