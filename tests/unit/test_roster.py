import codecs

import pytest

from room.roster import Entry, parse, read
from room.sheet import SheetError


@pytest.mark.parametrize(
    ("data", "entries"),
    [
        pytest.param(b"alice\nbob\n", [Entry("alice"), Entry("bob")], id="logins alone"),
        pytest.param(
            b"alice,ml101,Alice A.\n", [Entry("alice", ("ml101",), "Alice A.")], id="no header"
        ),
        pytest.param(
            b"Name,Login\nAlice A.,alice\n", [Entry("alice", (), "Alice A.")], id="any order"
        ),
        pytest.param(
            "姓名;用户名;班级\r\n王芳;wangfang;ml101\r\n".encode("utf-8-sig"),
            [Entry("wangfang", ("ml101",), "王芳")],
            id="Chinese header, semicolons, byte order mark, CRLF",
        ),
        pytest.param(
            codecs.BOM_UTF16_LE + "login\tclass\nalice\tML101\n".encode("utf-16-le"),
            [Entry("alice", ("ml101",))],
            id="UTF-16 with tabs",
        ),
        pytest.param(
            b'sep=;\r\nlogin;name\r\n"bob";"B, Bob"\r\n', [Entry("bob", (), "B, Bob")], id="sep="
        ),
        pytest.param(b'login,name\n="007",Bond\n', [Entry("007", (), "Bond")], id="kept as text"),
        pytest.param(b"login,email\nalice,a@b.c\n", [Entry("alice")], id="a column we do not know"),
        pytest.param(b"\n\nalice,,\n ,,\nbob\n", [Entry("alice"), Entry("bob")], id="blank lines"),
        pytest.param(b"A-B,x\n", [Entry("a-b", ("x",))], id="capitals"),
        pytest.param(b"a,ml101 DL202|ml101\n", [Entry("a", ("ml101", "dl202"))], id="two classes"),
        pytest.param(b'login,name\nal,"A ""B"""\n', [Entry("al", (), 'A "B"')], id="quotes"),
    ],
)
def test_rosters_as_people_save_them_are_read(data, entries) -> None:
    assert list(parse(data)) == entries


@pytest.mark.parametrize(
    ("data", "lines", "words"),
    [
        pytest.param(
            b"A-B\nx\na-b\n", [3], "same login as 'A-B' in line 1", id="only case differs"
        ),
        pytest.param(b"a\na\n", [2], "in line 1 already", id="twice"),
        pytest.param(b"ok\n../../etc\n", [2], "is no login", id="a path"),
        pytest.param(b"ok\nan na\n", [2], "is no login", id="a blank inside"),
        pytest.param(b"x" * 300, [1], "is no login", id="300 characters"),
        pytest.param("ok\n😀\n".encode(), [2], "is no login", id="emoji"),
        pytest.param("ok\nаlice\n".encode(), [2], "is no login", id="Cyrillic look-alike"),  # noqa: RUF001
        pytest.param("ok\na\u200blice\n".encode(), [2], "is no login", id="zero width"),
        pytest.param("ok\nKate\n".replace("K", "\u212a").encode(), [2], "is no login", id="Kelvin"),
        pytest.param(b"ok\n-rf\n..\n", [2, 3], "is no login", id="every bad line is named"),
        pytest.param(b"login,class\na,b/c\n", [2], "is no class name", id="class"),
        pytest.param(b"login,class\n,ml101\n", [2], "no login in this line", id="login is missing"),
        pytest.param(b'a\nb,"x\nc\n', [2], "quote that is not closed", id="open quote"),
        pytest.param(b"ok\nal\xffice\n", [2], "not UTF-8", id="another encoding"),
        pytest.param(b"al\x00ice\n", [1], "", id="a NUL"),
        pytest.param(b"login,name\na,x\x1b[31m\n", [2], "is no name", id="a control sequence"),
        pytest.param(b"", [0], "empty", id="nothing"),
        pytest.param(b"login,class\n", [0], "nobody", id="a header alone"),
    ],
)
def test_a_wrong_line_is_named_with_its_rule(data, lines, words) -> None:
    with pytest.raises(SheetError) as caught:
        parse(data)
    assert [problem.line for problem in caught.value.problems] == lines
    assert words in str(caught.value)


def test_an_encoding_can_be_named() -> None:
    assert parse("alice,ml101,王芳".encode("gb18030"), encoding="gb18030")[0].name == "王芳"


def test_the_default_class_is_added_to_everyone() -> None:
    entries = parse(b"alice,dl202\nbob\n", default_class="ML101")
    assert [entry.classes for entry in entries] == [("dl202", "ml101"), ("ml101",)]


@pytest.mark.parametrize(
    ("data", "roles"),
    [
        pytest.param(b"login,class,role\nbob,ml101 nlp,Instructor\n", "ml101:i nlp:i", id="column"),
        pytest.param(b"bob,ml101:instructor nlp\n", "ml101:i", id="in the cell, for its class"),
        pytest.param(b"bob,ml101:assistant nlp,,instructor\n", "ml101:a nlp:i", id="both"),
        pytest.param(b"bob,ml101 ml101:assistant\n", "ml101:a", id="the class named twice"),
        pytest.param(b"bob,ml101\n", "", id="none is said"),
        pytest.param("账号,角色,班级\nbob,student,nlp\n".encode(), "nlp:s", id="Chinese header"),
    ],
)
def test_the_roles_of_a_line(data, roles) -> None:
    (entry,) = parse(data)
    assert " ".join(f"{name}:{role[0]}" for name, role in entry.roles) == roles


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param(b"bob,ml101:admin\n", "'admin' is no role", id="no role in a class"),
        pytest.param(b"login,role\nbob,instructor\n", "no class to have it in", id="no class"),
        pytest.param(b"bob,x:assistant x:instructor\n", "two roles in x", id="two roles"),
        pytest.param(b"bob,x:instructor:y\n", "is no role", id="two colons"),
        pytest.param("bob,x：instructor\n".encode(), "is no class name", id="a wide colon"),  # noqa: RUF001
    ],
)
def test_a_wrong_role_is_named(data, words) -> None:
    with pytest.raises(SheetError, match=words):
        parse(data)


def test_a_default_role_is_for_lines_that_say_none() -> None:
    entries = parse(b"a,x\nb,x,,student\n", default_class="y", default_role="assistant")
    assert [dict(entry.roles) for entry in entries] == [
        {"x": "assistant", "y": "assistant"},
        {"x": "student", "y": "student"},
    ]


def test_the_good_lines_of_a_wrong_roster_can_be_looked_at() -> None:
    found = read(b"alice\n../x\nbob\n")
    assert [entry.login for entry in found.entries] == ["alice", "bob"]
    assert [problem.line for problem in found.problems] == [2]
