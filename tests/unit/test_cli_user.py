import csv
import io
import stat
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from cli import context
from cli.errors import FAILED
from cli.user import user
from room.people import People
from room.person import Accepted, Refused
from room.store import Store, migrate

ADDRESS = "https://room.example"


@pytest.fixture
def url(tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path / 'room.sqlite'}"
    store = Store(url)
    migrate.upgrade(store)
    store.close()
    monkeypatch.setattr(context, "store", lambda: Store(url))
    monkeypatch.setattr(context, "settings", lambda: SimpleNamespace(address=ADDRESS))
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
    assert people.get("alice").classes == ("ml101",)


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
    assert people.get("alice").classes == ("dl202",)
    room_user("remove", "--yes", "alice")
    assert people.find("alice") is None
