"""The queue benchmark's second look at long waits: it finds what is wrong, and only that."""

from __future__ import annotations

import pytest

from bench.queue_trace import Request
from bench.queue_waits import Waits

#: Who is granted one unit, with ``x2`` two, and when, where the rule is 60 seconds. ann came at 0,
#: bob at 1, everyone else at 2, and all of them asked for as much as they are granted here.
GRANTS = [
    pytest.param("cy 10, cy 20, ann 70, bob 71", "", id="served as soon as overdue"),
    pytest.param("cy 10, cy 20, cy 70, ann 71, bob 72", "ann bob", id="passed when overdue"),
    pytest.param("cy 10, cy 20, cy 60, ann 70, bob 71", "", id="passed before it was too long"),
    pytest.param("cy 10, dee 20, eve 70, ann 71, bob 72", "", id="nobody was served twice"),
    pytest.param("cy 10, cy 20, bob 70, ann 71", "ann", id="passed by one overdue for less long"),
    pytest.param("ann 5, bob 6, cy 10, cy 20, cy 64, ann 70", "", id="served meanwhile"),
    pytest.param("cy 10, cy 20, dee 70 x2, ann 71, bob 71", "", id="passed early by two units"),
    pytest.param("cy 10, cy 62, cy 70 x2, ann 71, bob 72", "ann bob", id="twice by the same"),
    pytest.param("cy 10, cy 20, dee 70 x2, ann 71 x2, bob 71", "ann", id="two units by two"),
]


@pytest.mark.parametrize(("grants", "expected"), GRANTS)
def test_waits_that_the_rule_does_not_explain_are(grants: str, expected: str):
    watch = Waits(60.0)
    turns = [
        (user, float(at), len(more) + 1) for user, at, *more in map(str.split, grants.split(", "))
    ]
    asked = {
        number: Request({"ann": 0.0, "bob": 1.0}.get(user, 2.0), user, "", units, 1.0)
        for number, (user, _at, units) in enumerate(turns)
    }
    for number in sorted(asked, key=lambda number: asked[number].at):
        watch.asked(number, asked[number])
    for number, (_user, at, _units) in enumerate(turns):
        watch.granted(number, asked[number], at)
    assert {asked[number].user for number in watch.unexplained} == set(expected.split())
