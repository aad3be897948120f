"""What rules say keeps how it was made, so that a page can say it in another language."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from console.render import LOCALE
from room.languages import catalogue
from room.plans import until, wording
from room.plans.keys import KEYS, key
from room.plans.model import ROOM, Effective, Grant, Limit, Origin, Subject, subject
from room.said import joined, reason, said, translated

NOW = datetime(2026, 11, 26, 15, tzinfo=timezone.utc)
GPUS = KEYS["gpus"]
CLASS = Subject("class", "ml101")
chinese = catalogue(LOCALE, "zh_CN").gettext


def test_it_is_a_text_like_any_other() -> None:
    made = said("%(a)s of %(b)s", a=1, b=said("the room"))
    assert made == "1 of the room"
    assert joined(["one"]) == "one"
    assert joined([said("the room"), "two", "three"]) == "the room, two, three"
    assert reason(ValueError(made)).pattern == "%(a)s of %(b)s"  # type: ignore[attr-defined]
    assert reason(ValueError("plain")) == "plain"
    assert reason(ValueError()) == ""


def test_a_value_is_never_taken_for_a_pattern() -> None:
    made = said("%(value)s is no size: write %(rule)s", value="'%(x)s'", rule="5%")
    assert "'%(x)s'" in translated(made, chinese)
    assert translated("100 %", chinese) == "100 %"


@pytest.mark.parametrize(
    ("origin", "english", "translation"),
    [
        pytest.param(Origin(), "default", "默认值", id="nobody said it"),
        pytest.param(
            Origin((Limit(CLASS, GPUS, 2, written=True),)),
            "class ml101 (room.yaml)",
            "班级 ml101（room.yaml）",  # noqa: RUF001
            id="room.yaml",
        ),
        pytest.param(
            Origin((Limit(ROOM, GPUS, 2, until=NOW, by="root"),)),
            "the room (set by root, until 2026-11-26 15:00)",
            "房间（由 root 设置，至 2026-11-26 15:00）",  # noqa: RUF001
            id="until",
        ),
        pytest.param(
            Origin((Limit(subject("alice"), GPUS, 2, by="tina", behalf="ml101"),), (), "ml101"),
            "alice (set by tina for class ml101), cut to what class ml101 has",
            "alice（由 tina 为班级 ml101 设置），不超过班级 ml101 的限额",  # noqa: RUF001
            id="cut",
        ),
        pytest.param(
            Origin((), (Grant(1, CLASS, GPUS, 1, NOW, "bob"),)),
            "default, +1 to class ml101 by bob until 2026-11-26 15:00",
            "默认值，由 bob 授予班级 ml101 +1，至 2026-11-26 15:00",  # noqa: RUF001
            id="grant",
        ),
    ],
)
def test_an_origin_is_said_in_both_languages(
    origin: Origin, english: str, translation: str
) -> None:
    found = wording.origin(Effective(GPUS, 2, origin))
    assert found == english
    assert translated(found, chinese) == translation


WRONG = [
    *(
        (name, value)
        for name in KEYS
        for value in ("-1", "1e309", "", "<b>", "none/week", "5/year")
    ),
    ("gpu_hours", "5/week@x"),
    ("gpu_hours", "5/month@31"),
    ("gpu_hours", "5/day@1"),
    ("gpu_hours", "999999999999"),
]


def refusal(name: str, value: str) -> str:
    """Return why a value is refused; nothing where it is taken."""
    try:
        key(name).parse(value)
    except ValueError as error:
        return reason(error)
    return ""


def test_every_value_that_is_refused_is_refused_in_both_languages() -> None:
    refused = [words for each in WRONG if (words := refusal(*each))]
    assert len(refused) > 60
    for english in refused:
        told = translated(english, chinese)
        assert told != english
        # Nothing is left of the English sentence but what people write as it is.
        assert not {"write", "is", "like", "from", "has"} & set(told.split()), told


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        pytest.param(lambda: key("gpuz"), "没有限额 'gpuz'：您是否指 gpus？", id="limit"),  # noqa: RUF001
        pytest.param(lambda: subject("team/x"), "'team/x' 不是有效对象", id="subject"),
        pytest.param(lambda: subject("class/ä"), "不是班级名", id="class"),
        pytest.param(lambda: subject("user/ä b"), "不是登录名", id="login"),
        pytest.param(lambda: until.parse("nie", NOW, timezone.utc), "不是时间", id="time"),
        pytest.param(lambda: until.parse("2020-01-01", NOW, timezone.utc), "已经过去", id="past"),
        pytest.param(lambda: GPUS.amount("-1"), "不符合要求", id="amount"),
    ],
)
def test_what_is_no_value_at_all_is_refused_in_both_languages(ask: object, words: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011  (its words are what is looked at)
        ask()  # type: ignore[operator]
    assert words in translated(reason(refused.value), chinese)
