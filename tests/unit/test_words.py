import re
from dataclasses import replace
from datetime import datetime, timezone
from itertools import cycle

import pytest

from room.datasets.choice import MOST, choose
from room.datasets.model import Dataset, Version
from room.environments.choice import choose as choose_environment
from room.gpus import labels
from room.gpus.placement import refuse
from room.gpus.requests import GPURequest
from room.gpus.watchdog import Action
from room.models import Exit, GPUUnit, Inventory, Owner, Reject
from room.plans import combine, spending
from room.plans.budget import WINDOWS, Budget
from room.plans.decide import Wish, decide
from room.plans.keys import KEYS
from room.plans.model import Limit, subject
from spawner import options, pages, stages, words
from spawner.words import _END, known, translate

PROFILES = [
    {"display_name": "GPU", "slug": "gpu", "profile_options": {"n": {"choices": {"a": {}}}}},
]


#: Units of time, and the names of cards, of MIG profiles and of what JupyterLab shows.
SAME_IN_BOTH = re.compile(
    r"\d min\b|\d (?:MIG instance|GPUs?) with [^\u4e00-\u9fff\uff0c]*|'[^']*'|GPU|JupyterLab"
    r"|Shut Down|[GM]iB|x\. y\? z|cifar10|datasets|environment|\b[a-z]\b|gpu|cpu|profile"
)


NOW = datetime(2026, 11, 26, 12, tzinfo=timezone.utc)


def exit_(code: int, oom: bool = False) -> Exit:
    return Exit(Owner("alice"), code, oom, datetime.now(timezone.utc))


def inventory(count: int) -> Inventory:
    return Inventory(tuple(GPUUnit(f"GPU-{n}", n, "A100", 1) for n in range(count)))


def refused_by_plans() -> list[Reject]:
    """Return each refusal of a plan."""
    wish = Wish("gpu", "b:1", GPURequest(model="A100"))
    limits = [
        ("profiles", "cpu"),
        ("images", "a:1"),
        ("gpu_kinds", "T4"),
        *(("servers", most) for most in "012"),
    ]
    found = []
    for whose, (name, text) in zip(cycle(["room", "class/a", "alice"]), limits, strict=False):
        limit = Limit(subject(whose), KEYS[name], KEYS[name].parse(text))
        plan = combine.effective("alice", ("a",), [limit], [], {}, datetime.now(timezone.utc))
        verdict = decide(wish, plan, running=2, units=inventory(1).units)
        assert isinstance(verdict, Reject)
        found.append(verdict)
    return found


def refused_datasets() -> list[Reject]:
    """Return each refusal of a choice of datasets."""
    versions = [
        Version(number, "d", 1, 1, NOW, "root", retired_at=NOW if number == 2 else None)
        for number in (3, 2, 1)
    ]
    birds, many = (
        Dataset("b", "", "", "", "root", NOW, (), tuple(versions)),
        [Dataset(f"d{n}", "", "", "", "root", NOW, (), tuple(versions)) for n in range(MOST + 1)],
    )
    lost = Dataset("l", "", "", "", "root", NOW, (), (replace(versions[0], here=False),))
    bad = Dataset("x", "", "", "", "root", NOW, (), (replace(versions[0], damaged=2), versions[2]))
    asked = (["l"], ["x@3"], ["x y."], ["nosuch"], ["b@9"], ["b@2"], ["b@1", "b"])
    found = [choose([birds, lost, bad], each) for each in asked] + [choose(many)]
    assert all(isinstance(each, Reject) for each in found)
    return found


def said() -> list[str]:
    """Return one of everything that our rules say to people."""
    rejects = [
        stages.engine_silent(),
        *(stages.failed(stage.id) for stage in stages.STAGES),
        stages.host_too_small(4 << 30, 1 << 29, 4 << 30),
        stages.no_image(),
        stages.boot_too_slow(120),
        stages.died_booting(exit_(1), 4 << 30),
        stages.still_tidying(),
        refuse(GPURequest(1), inventory(0)),
        refuse(GPURequest(3), inventory(0)),
        refuse(GPURequest(3), inventory(2)),
        refuse(GPURequest(1, "mig", mig_profile="1g.10gb"), inventory(2)),
        refuse(GPURequest(3, model="A100"), inventory(2)),
        refuse(GPURequest(1), inventory(2), 0),
        refuse(GPURequest(2), inventory(2), 1),
        *refused_by_plans(),
        *refused_datasets(),
        stages.waited_in_vain("unseen", 1800),
        stages.waited_in_vain("too long", 86400),
        stages.waited_in_vain("removed", 0),
        stages.no_cpu_profile(),
        stages.not_waiting(),
        stages.no_end(),
        stages.idle_over(3600),
        stages.gpu_in_use(),
        stages.gpu_returned(),
        stages.longest_session(86400),
        stages.others_wait(1),
        stages.others_wait(3),
        stages.lease_over(14400),
        stages.taken_back(),
        stages.plan_lowered(),
        stages.access_over(),
        stages.longest_run(43200),
        stages.session_over(43200),
        *(
            say(spending.Account(Budget(20, each, 1)), NOW)
            for each in WINDOWS
            for say in (spending.used_up, spending.over, spending.no_longer)
        ),
        stages.home_near(9 << 30, 0, 10 << 30),
        stages.home_near(9 << 30, 8 << 30, 0),
        stages.home_full(9 << 30, 10 << 30),
        stages.disk_full(),
        stages.no_class_folder("c"),
        stages.no_environment("c"),
        choose_environment([], "nosuch", own_image=True),
        options.parse({"rescue": "2"}, PROFILES),
        options.parse([], PROFILES),
        options.parse({"profile": 3}, PROFILES),
        options.parse({"datasets": "b"}, PROFILES),
        options.parse({"profile": "x. y? z"}, PROFILES),
        options.parse({"profile": "gpu", "m": "1"}, PROFILES),
        options.parse({"profile": "gpu", "n": "b"}, PROFILES),
    ]
    assert all(isinstance(reject, Reject) for reject in rejects)
    hours = spending.ends_with(spending.Account(Budget(20)), NOW, NOW)
    ends = [
        hours,
        *(
            stages.why_ended(end, memory)
            for memory in (4 << 30, None)
            for end in (exit_(137, True), exit_(0), exit_(137), exit_(143), exit_(1))
        ),
    ]
    own = [text.format(3) for _, text in pages._OWN_REFUSALS]
    seat = GPUUnit("GPU-0/1", 0, "A100", 1, kind="seat", parent="GPU-0")
    watched = [Action(kind, Owner("a"), "GPU-0", 9216, 4000) for kind in ("warn", "stop")]
    seats = [labels.label(seat), *(action.message for action in watched)]
    idle = [stages.idle_warning(3600, 300), stages.gpu_unused(1200, "x. y? z")]
    return [*(reject.message for reject in rejects), *ends, *own, *seats, *idle] + [
        stage.message for stage in stages.STAGES
    ]


@pytest.mark.parametrize("text", said())
def test_everything_a_rule_says_can_be_translated(text) -> None:
    for sentence in words._whole(_END.split(text)):
        assert known(sentence), sentence


@pytest.mark.parametrize("text", said())
def test_and_is_translated_with_its_values(text) -> None:
    translated = translate(text, "zh_CN")
    assert translate(text, "en") == text
    assert re.search(r"[\u4e00-\u9fff]", translated)
    left = SAME_IN_BOTH.sub("", translated)
    assert not re.search(r"[A-Za-z]{2}", left), translated
    for number in re.findall(r"\d+", text):
        assert number in translated or number in ("1", "9", "15"), translated


def test_what_is_not_known_stays_as_it_is() -> None:
    assert translate("A site's own words.", "zh_CN") == "A site's own words."


def test_unknown_sentences_among_known_ones_stay_in_their_place() -> None:
    text = "A site's own words. Choose one of: a, b."
    assert translate(text, "zh_CN").startswith("A site's own words.")
