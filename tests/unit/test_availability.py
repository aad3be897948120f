import pytest

from room.gpus.forecast import _ends_before
from spawner.availability import Availability, rough
from spawner.words import BASES, bases, known


@pytest.mark.parametrize(
    ("free", "wait", "needed", "waits"),
    [
        pytest.param(3, None, 1, False, id="free"),
        pytest.param(3, 0.0, 1, False, id="free, and nobody before"),
        pytest.param(0, None, 1, True, id="all taken, nobody can tell"),
        pytest.param(1, None, 2, True, id="too few free"),
        pytest.param(1, 60.0, 1, True, id="free, but others come first"),
    ],
)
def test_who_waits(free, wait, needed, waits) -> None:
    assert Availability(free, 4, wait).waits(needed) is waits


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, ("moment", 0)),
        (59.9, ("moment", 0)),
        (60, ("minutes", 1)),
        (89, ("minutes", 1)),
        (90, ("minutes", 2)),
        (89 * 60, ("minutes", 89)),
        (90 * 60, ("hours", 1.5)),
        (10 * 3600, ("hours", 10)),
    ],
)
def test_a_wait_is_said_as_people_do(seconds, said) -> None:
    assert rough(seconds) == said


def test_the_waiting_room_has_the_forecasts_sentences_in_chinese() -> None:
    translated = dict(bases("zh_CN"))
    assert translated.keys() == set(BASES)
    assert all(text != english for english, text in translated.items())
    assert bases("en") == []
    assert known(_ends_before(1, 0.0, 0.0))
    assert known(_ends_before(7, 9e4, 0.0))
