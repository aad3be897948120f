from datetime import datetime, timedelta, timezone

import pytest
from sqlalchemy import select

from room import access
from room.changes import NEVER, digest
from room.classes import Classes
from room.people import People
from room.person import (
    Accepted,
    AccessOverError,
    ArchivedError,
    ChangedMeanwhileError,
    NoSuchClassError,
    NoSuchPersonError,
    NotInClassError,
    Refused,
    RevokedError,
    SubjectTakenError,
)
from room.roster import Entry
from room.store import Store
from room.store.metadata import metadata
from room.store.people_tables import people_tokens
from room.store.tables import audit

START = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)


class Clock:
    now = START

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **spans: float) -> None:
        self.now += timedelta(**spans)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def people(tmp_path, clock):
    store = Store(f"sqlite:///{tmp_path / 'room.sqlite'}")
    metadata.create_all(store.engine)
    yield People(store, clock)
    store.close()


def test_adding_twice_keeps_what_was_there(people) -> None:
    people.add("Alice", ["ML101"], admin=True, name="Alice A.")
    person = people.add("alice", ["dl202"])
    assert (person.login, list(person.enrolled), person.admin, person.name) == (
        "alice", ["dl202", "ml101"], True, "Alice A.",
    )  # fmt: skip
    assert [p.login for p in people.all()] == ["alice"]


def test_a_link_lets_in_as_often_as_wanted(people, clock) -> None:
    people.add("alice")
    token = str(people.link("alice"))
    for _ in range(3):
        clock.forward(days=300)
        accepted = people.verify(token)
        assert accepted == Accepted("alice", token[:10])
        assert people.use(accepted)
    assert people.get("alice").last_login_at == clock.now


def test_a_one_time_link_lets_in_once(people) -> None:
    people.add("admin")
    token = str(people.link("admin", once=True))
    first, second = people.verify(token), people.verify(token)
    assert people.use(first)
    assert not people.use(second), "two browsers at the same moment"
    assert people.verify(token) == Refused("used", "admin")


def test_a_one_time_link_expires_after_a_day(people, clock) -> None:
    people.add("admin")
    token = str(people.link("admin", once=True))
    clock.forward(hours=23, minutes=59)
    assert isinstance(people.verify(token), Accepted)
    clock.forward(minutes=1)
    assert people.verify(token) == Refused("expired", "admin")
    assert people.get("admin").links == 0


def test_a_new_link_replaces_the_old_one_unless_kept(people) -> None:
    people.add("alice")
    first = str(people.link("alice"))
    second = str(people.link("alice"))
    third = str(people.link("alice", keep=True))
    assert people.verify(first) == Refused("unknown")
    assert isinstance(people.verify(second), Accepted)
    assert isinstance(people.verify(third), Accepted)


@pytest.mark.parametrize(
    ("change", "reason", "login"),
    [
        pytest.param(lambda t: "a" * 10 + t[10:], "unknown", None, id="an id that nobody has"),
        pytest.param(lambda t: t[:-4] + "2222", "unknown", "alice", id="a wrong secret"),
        pytest.param(lambda t: "", "unreadable", None, id="nothing"),
    ],
)
def test_a_wrong_token_says_whose_only_to_the_limiter(people, change, reason, login) -> None:
    people.add("alice")
    token = str(people.link("alice"))
    assert people.verify(change(token)) == Refused(reason, login)


def test_a_token_is_not_taken_for_another_login(people) -> None:
    people.add("alice")
    token = str(people.link("alice"))
    assert people.verify(token, " Alice ") == people.verify(token)
    assert people.verify(token, "bob") == Refused("other-login", "alice")


def test_revoking_holds_until_somebody_adds_the_person_again(people) -> None:
    people.add("alice")
    token = str(people.link("alice"))
    accepted = people.verify(token)
    assert people.revoke("alice").revoked_at == START
    assert people.verify(token) == Refused("revoked", "alice")
    with pytest.raises(RevokedError, match="2026-11-23 12:00"):
        people.link("alice")
    assert people.add("alice").revoked_at is None
    assert people.verify(token) == Refused("unknown"), "the old link must not come back to life"
    assert not people.use(accepted)


def test_only_a_digest_is_stored(people) -> None:
    people.add("alice")
    token = people.link("alice")
    with people.store.read() as connection:
        row = connection.execute(select(people_tokens)).one()
    assert token.secret not in str(row)
    assert row.digest == token.digest


def test_an_import_is_whole_or_not_at_all(people) -> None:
    def fail(made) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        people.import_roster([Entry("alice"), Entry("bob")], links="all", deliver=fail)
    assert people.all() == []


def test_importing_again_changes_nothing_and_makes_no_second_link(people) -> None:
    roster = [Entry("alice", ("ml101",), "Alice"), Entry("bob", ("ml101",))]
    first = people.import_roster(roster, links="missing")
    again = people.import_roster([*roster, Entry("carol")], links="missing")
    assert (first.of("added"), len(first.links)) == (("alice", "bob"), 2)
    assert (again.of("added"), again.of("unchanged")) == (("carol",), ("alice", "bob"))
    assert [entry.login for entry, _ in again.links] == ["carol"]
    assert all(isinstance(people.verify(str(token)), Accepted) for _, token in first.links)


def test_an_import_lets_no_revoked_person_back(people) -> None:
    people.add("alice")
    people.revoke("alice")
    done = people.import_roster([Entry("alice", ("ml101",))], links="all")
    assert (done.still_revoked, done.links) == (("alice",), ())
    assert people.get("alice").revoked_at == START


def test_a_login_stays_with_the_account_that_brought_it_first(people) -> None:
    people.enter_by_oauth("alice", "4711")
    assert people.enter_by_oauth("alice", "4711").oauth_subject == "4711"
    with pytest.raises(SubjectTakenError):
        people.enter_by_oauth("alice", "9999")
    people.forget_account("alice")
    assert people.enter_by_oauth("alice", "9999").oauth_subject == "9999"
    people.revoke("alice")
    with pytest.raises(RevokedError):
        people.enter_by_oauth("alice", "9999")


def test_nobody_is_named_when_nobody_is_there(people) -> None:
    for call in (people.get, people.revoke, people.link, people.remove):
        with pytest.raises(NoSuchPersonError, match="ghost"):
            call("ghost")
    assert people.find("../../etc") is None
    with pytest.raises(ValueError, match="is no login"):
        people.add("../../etc")


def test_removing_leaves_nothing(people) -> None:
    people.add("alice", ["ml101"])
    token = str(people.link("alice"))
    people.remove("alice")
    assert people.all() == []
    assert people.verify(token) == Refused("unknown")


def test_groups_are_what_the_admin_says_and_what_the_provider_claims(people) -> None:
    people.add("alice", ["ml101", "dl202"])
    people.enter_by_oauth("alice", "4711", ["ml101", "Staff/A", "", "x" * 256])
    assert access.groups(people.get("alice"), START) == ("Staff/A", "dl202", "ml101")
    people.enter_by_oauth("alice", "4711", ["students"])
    assert access.groups(people.get("alice"), START) == ("dl202", "ml101", "students")
    assert access.groups(people.leave("alice", ["ML101", "students"]), START) == (
        "dl202", "students",
    )  # fmt: skip
    assert [p.login for p in people.all("students")] == ["alice"]


def test_the_migrated_tables_are_the_ones_we_use(tmp_path) -> None:
    from sqlalchemy import inspect

    from room.store import migrate

    store = Store(f"sqlite:///{tmp_path / 'room.sqlite'}")
    migrate.upgrade(store)
    found = inspect(store.engine)
    for table in ("people", "people_classes", "people_tokens"):
        made = {c["name"]: (str(c["type"]), c["nullable"]) for c in found.get_columns(table)}
        ours = metadata.tables[table].columns
        assert made == {c.name: (str(c.type), c.nullable) for c in ours}
        assert set(found.get_pk_constraint(table)["constrained_columns"]) == {
            c.name for c in ours if c.primary_key
        }
    store.close()


def audited(people) -> list[tuple[str, str, str, str]]:
    with people.store.read() as connection:
        rows = connection.execute(select(audit).order_by(audit.c.id))
        return [(row.actor, row.action, row.subject, row.detail) for row in rows]


def test_a_role_is_given_in_a_class_that_somebody_is_in(people) -> None:
    people.add("bob", ["ml101", "nlp"], role="assistant")
    people.set_role("bob", "ML101", "instructor")
    people.add("bob", ["ml101"])
    assert access.roles(people.get("bob"), START) == {"ml101": "instructor", "nlp": "assistant"}
    with pytest.raises(NotInClassError, match="bob is not in the class dl202"):
        people.set_role("bob", "dl202", "instructor")
    with pytest.raises(NoSuchPersonError):
        people.set_role("nobody", "ml101", "student")


def test_a_role_stands_beside_what_the_provider_claims_and_no_login_drops_it(people) -> None:
    people.enter_by_oauth("bob", "4711", ["ml101"])
    people.set_role("bob", "ml101", "instructor")
    for claims in (["ml101"], ["other"], []):
        person = people.enter_by_oauth("bob", "4711", claims)
        assert access.roles(person, START)["ml101"] == "instructor"
    person = people.leave("bob", ["ml101"])
    assert access.roles(person, START) == {}


def test_every_change_of_who_is_in_raises_the_revision_and_a_login_does_not(people) -> None:
    acts = [
        lambda: people.add("alice", ["ml101"]),
        lambda: people.set_role("alice", "ml101", "assistant"),
        lambda: people.import_roster([Entry("bob")]),
        lambda: people.leave("alice", ["ml101"]),
        lambda: people.enter_by_oauth("carol", "1", ["a"]),
        lambda: people.enter_by_oauth("carol", "1", ["b"]),
        lambda: people.revoke("bob"),
        lambda: people.remove("bob"),
        lambda: Classes(people).archive("b"),
        lambda: Classes(people).restore("b"),
    ]
    for act in acts:
        known = people.everyone().revision
        act()
        assert people.everyone(known).revision > known
    known = people.everyone().revision
    people.use(people.verify(str(people.link("alice"))))
    people.enter_by_oauth("carol", "1", ["b"])
    Classes(people).restore("b")
    assert people.everyone(known) is None


def test_a_preview_says_what_is_done_and_nothing_else_is(people) -> None:
    people.add("alice", ["ml101"], name="Alice")
    roster = [Entry("alice", ("ml101",), "Alice B.", (("ml101", "assistant"),)), Entry("bob")]
    shown = people.preview(roster)
    assert [p.login for p in people.all()] == ["alice"]
    people.add("bob")
    with pytest.raises(ChangedMeanwhileError):
        people.import_roster(roster, as_shown=digest(shown))
    assert people.get("alice").name == "Alice"
    shown = people.preview(roster)
    assert people.import_roster(roster, as_shown=digest(shown)).changes == shown
    assert {change.kind for change in people.preview(roster)} == {"unchanged"}


def test_who_did_what_is_in_the_audit(people) -> None:
    people.actor = "root"
    people.add("bob", ["ml101"], admin=True)
    people.set_role("bob", "ml101", "instructor")
    Classes(people).archive("ml101")
    people.revoke("bob")
    people.revoke("bob")
    assert audited(people) == [
        ("root", "user-add", "bob", "role in ml101: none → student"),
        ("root", "user-admin", "bob", "yes"),
        ("root", "user-change", "bob", "role in ml101: student → instructor"),
        ("root", "class-archive", "ml101", ""),
        ("root", "user-revoke", "bob", ""),
    ]


def test_an_archived_class_keeps_out_who_is_in_no_other_and_comes_back_whole(people) -> None:
    classes = Classes(people)
    people.add("alice", ["ml101"])
    people.add("bob", ["ml101"], role="instructor")
    people.add("carol", ["ml101", "nlp"])
    people.add("root", ["ml101"], admin=True)
    people.enter_by_oauth("oscar", "1", ["ml101"])
    token = str(people.link("alice"))
    moved = classes.archive("ML101")
    assert (moved.changed, moved.unchanged) == (("alice", "bob", "oscar"), ("carol", "root"))
    assert people.verify(token) == Refused("over", "alice")
    assert isinstance(people.verify(str(people.link("carol"))), Accepted)
    with pytest.raises(AccessOverError):
        people.enter_by_oauth("oscar", "1", ["ml101"])
    assert people.enter_by_oauth("oscar", "1", ["ml101", "nlp"]).login == "oscar"
    assert [(c.name, c.instructors, c.archived_at) for c in classes.all()] == [
        ("ml101", ("bob",), START),
        ("nlp", (), None),
    ]
    assert classes.archive("ml101").changed == ()
    assert classes.restore("ml101").changed == ("alice", "bob")
    assert isinstance(people.verify(token), Accepted)
    assert access.roles(people.get("bob"), START) == {"ml101": "instructor"}


def test_nobody_comes_into_an_archived_class_not_even_in_a_preview(people) -> None:
    people.add("alice", ["ml101"])
    Classes(people).archive("ml101")
    for act in (people.import_roster, people.preview):
        with pytest.raises(ArchivedError, match="ml101 was archived on 2026-11-23"):
            act([Entry("bob"), Entry("carol", ("ml101",))])
    assert [p.login for p in people.all()] == ["alice"]
    with pytest.raises(NoSuchClassError):
        Classes(people).archive("ml10l")


def test_a_providers_group_can_be_archived_whatever_it_is_called(people) -> None:
    people.enter_by_oauth("alice", "1", ["ML 101 (Fall)!group=nlp"])
    assert Classes(people).archive("ML 101 (Fall)!group=nlp").changed == ("alice",)


def test_access_ends_with_its_last_moment_and_can_be_given_again(people, clock) -> None:
    people.add("alice", until=START + timedelta(days=1))
    people.add("bob", ["ml101"], until=START + timedelta(days=1))
    tokens = {login: str(people.link(login)) for login in ("alice", "bob")}
    clock.forward(hours=23, minutes=59)
    assert all(isinstance(people.verify(token), Accepted) for token in tokens.values())
    clock.forward(minutes=1)
    for login, token in tokens.items():
        assert people.verify(token) == Refused("over", login)
    people.add("alice")
    assert people.verify(tokens["alice"]) == Refused("over", "alice"), "adding gives no time"
    people.add("alice", until=NEVER)
    people.add("bob", ["ml101"], until=clock.now + timedelta(days=1))
    assert all(isinstance(people.verify(token), Accepted) for token in tokens.values())
