"""How long a user's server believes what the hub said of a token."""

from __future__ import annotations

import time

import pytest

from server.visitors import KEEP, Answers


@pytest.mark.parametrize(
    ("said", "after", "known"),
    [
        pytest.param({"name": "alice"}, KEEP + 0.1, True, id="the owner"),
        pytest.param({"name": "alice"}, 301, False, id="the owner, after five minutes"),
        pytest.param({"name": "tara"}, KEEP - 0.1, True, id="somebody else, at once"),
        pytest.param({"name": "tara"}, KEEP + 0.1, False, id="somebody else"),
        pytest.param(None, KEEP + 0.1, False, id="a token that the hub does not know"),
    ],
)
def test_how_long_an_answer_is_kept(monkeypatch, said, after, known) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    answers = Answers(300, "alice")
    answers["token"] = said
    now += after
    assert ("token" in answers) == known
    if known:
        assert answers["token"] == said
    else:
        with pytest.raises(KeyError):
            answers["token"]
