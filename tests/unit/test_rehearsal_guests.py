"""Guests of a rehearsal: let in at once, in no list of the class, and forgotten without a trace."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from room import access, slips, usage, used
from room.accounting import Reading
from room.classes import Classes
from room.guests import is_guest, logins
from room.models import Owner
from room.people import People
from room.person import ArchivedError, NoSuchClassError
from room.rehearsal import guests
from room.roles import openable
from room.store import Store
from room.store.metadata import metadata
from room.store.migrate import upgrade
from room.usage import Ran
from spawner import exits

NOW = datetime.now(timezone.utc)


@pytest.fixture
def store(tmp_path):
    made = Store(f"sqlite:///{tmp_path / 'room.sqlite'}")
    upgrade(made)
    people = People(made)
    people.add("ines", ["ml101"], role="instructor")
    people.add("anna", ["ml101"])
    yield made
    made.close()


def rows(store):
    """Return every row of the database but the audit's and numbers that only rise."""
    with store.read() as connection:
        return {
            table.name: connection.execute(table.select()).all()
            for table in metadata.sorted_tables
            if table.name not in ("audit", "people_revision", "queue")
        }


@pytest.mark.parametrize(
    ("login", "guest"),
    [
        pytest.param("room-rehearse-0a1b2c-1", True, id="guest"),
        pytest.param("room-rehearse-0a1b2c-999", True, id="the last"),
        pytest.param("room-rehearse-0a1b2c-1000", False, id="too many"),
        pytest.param("room-rehearse-0a1b2-1", False, id="short"),
        pytest.param("room-rehearse-0a1b2c-1\n", False, id="line break"),
        pytest.param("room-rehearse-anna", False, id="a person"),
        pytest.param("xroom-rehearse-0a1b2c-1", False, id="in the middle"),
    ],
)
def test_guests_are_known_by_their_logins(login, guest):
    assert is_guest(login) is guest


def test_each_rehearsal_has_logins_of_its_own():
    assert all(map(is_guest, logins(999)))
    assert not set(logins(5)) & set(logins(5))


def test_a_guest_comes_in_by_the_token_as_a_student_and_not_for_ever(store):
    made = guests.invite(store, "ml101", logins(2), "root")
    people = People(store)
    for login, token in made.items():
        accepted = people.verify(str(token))
        assert accepted.login == login
        assert access.roles(people.get(login), NOW) == {"ml101": "student"}
        later = datetime.now(timezone.utc) + guests.LIFE + timedelta(minutes=1)
        assert access.closed(people.get(login), later) == "expired"
    assert guests.known(store) == tuple(sorted(made))


def test_no_list_of_the_class_shows_a_guest(store):
    before = Classes(People(store)).all()
    guests.invite(store, "ml101", logins(3), "root")
    everybody = People(store).all()
    assert Classes(People(store)).all() == before
    assert {each.login for each in slips.members(everybody, "ml101", NOW)} == {"ines", "anna"}
    assert openable(everybody, "ml101", NOW) == ("anna",)


def test_nothing_is_left_but_two_lines_of_the_audit(store):
    before = rows(store)
    (login,) = guests.invite(store, "ml101", logins(1), "root")
    ran = Ran("c1", Owner(login), "ml101", "cpu", 2.0, 1, NOW, NOW)
    reading = Reading("c1", "1@b", "e", NOW, 5.0, 7.0, 1.0)
    with store.decide() as connection:
        usage.note(connection, ran)
        used.record(connection, [reading], timezone.utc)
    assert used_by(store) == {login}
    guests.forget(store, "ml101", "root")
    assert rows(store) == before
    # The agent goes on telling of a container for a day.
    with store.decide() as connection:
        used.record(connection, [reading], timezone.utc)
    assert used_by(store) == set()
    with store.read() as connection:
        lines = connection.exec_driver_sql("SELECT action, subject, detail FROM audit").all()
    assert lines[-2:] == [("rehearsal-begin", "ml101", "1"), ("rehearsal-end", "ml101", "1")]


def used_by(store):
    with store.read() as connection:
        return {who for who, *_ in used.by_day(connection)}


def test_what_others_used_stays(store):
    ran = Ran("c2", Owner("anna"), "ml101", "cpu", 2.0, 1, NOW, NOW)
    with store.decide() as connection:
        usage.note(connection, ran)
        used.record(connection, [Reading("c2", "1@b", "e", NOW, 5.0)], timezone.utc)
    before = rows(store)
    guests.invite(store, "ml101", logins(2), "root")
    guests.forget(store, "ml101", "root")
    assert rows(store) == before


def test_forgetting_again_changes_nothing(store):
    guests.forget(store, "ml101", "root")
    with store.read() as connection:
        assert "rehearsal" not in str(connection.exec_driver_sql("SELECT * FROM audit").all())


def test_there_is_no_rehearsal_of_a_class_that_is_not_there_or_over(store):
    with pytest.raises(NoSuchClassError):
        guests.invite(store, "nowhere", logins(1), "root")
    Classes(People(store)).archive("ml101")
    with pytest.raises(ArchivedError):
        guests.invite(store, "ml101", logins(1), "root")
    assert guests.known(store) == ()


def test_the_ledger_of_ends_is_emptied_of_guests(store):
    from room.models import Exit

    (login,) = guests.invite(store, "ml101", logins(1), "root")
    end = Exit(Owner(login), 137, True, NOW)
    exits.record(store, exits.Ended(end, 1, False, ""))
    guests.forget(store, "ml101", "root")
    assert rows(store)["server_exits"] == []
