"""The allow-list of options, what a profile sets, and what the start page's form carries."""

from __future__ import annotations

from typing import Any

import pytest

from room.models import Reject, SpawnOptions
from spawner import options

PROFILES: list[dict[str, Any]] = [
    {"display_name": "Small CPU", "spawner_override": {"cpu_limit": 1, "environment": {"A": "1"}}},
    {
        "display_name": "GPU",
        "slug": "gpu",
        "default": True,
        "spawner_override": {"gpus": 1, "environment": {"A": "1", "B": "2"}},
        "profile_options": {
            "size": {
                "display_name": "Size",
                "choices": {
                    "one": {"display_name": "1 GPU", "spawner_override": {"gpus": 1}},
                    "two": {
                        "display_name": "2 GPUs",
                        "default": True,
                        "spawner_override": {"gpus": 2, "environment": {"B": None, "C": "3"}},
                    },
                },
            },
            "image": {
                "choices": {"std": {"display_name": "Standard"}},
                "unlisted_choice": {
                    "enabled": True,
                    "display_name": "Another",
                    "validation_regex": r"school/[a-z]+:[0-9.]+",
                    "spawner_override": {"image": "{value}", "environment": {"IMG": "x-{value}"}},
                },
            },
        },
    },
]


def parsed(raw: Any) -> SpawnOptions:
    verdict = options.parse(raw, PROFILES)
    assert isinstance(verdict, SpawnOptions), verdict
    return verdict


@pytest.mark.parametrize(
    ("raw", "profile", "choices"),
    [
        pytest.param({}, "gpu", {}, id="nothing-is-the-default"),
        pytest.param({"profile": "small-cpu"}, "small-cpu", {}, id="slug-from-display-name"),
        pytest.param({"profile": "gpu", "size": "one"}, "gpu", {"size": "one"}, id="choice"),
        pytest.param(
            {"image": "unlisted_choice", "image--unlisted-choice": "school/a:1"},
            "gpu",
            {"image": "unlisted_choice", "image--unlisted-choice": "school/a:1"},
            id="typed",
        ),
    ],
)
def test_known_options_are_taken(raw: Any, profile: str, choices: dict[str, str]) -> None:
    verdict = parsed(raw)
    assert (verdict.profile, dict(verdict.choices)) == (profile, choices)


@pytest.mark.parametrize(
    ("raw", "reason", "named"),
    [
        pytest.param({"mem_limit": "64G"}, "option-unknown", "'mem_limit'", id="trait"),
        pytest.param(
            {"profile": "small-cpu", "size": "one"},
            "option-unknown",
            "'size'",
            id="other-profiles-option",
        ),
        pytest.param({"profile": "huge"}, "profile-unknown", "'huge'", id="profile"),
        pytest.param({"size": "three"}, "choice-unknown", "'three'", id="choice"),
        pytest.param(
            {"size--unlisted-choice": "9"}, "option-unknown", "unlisted", id="unlisted-off"
        ),
        pytest.param(
            {"image--unlisted-choice": "evil/a:1"}, "choice-invalid", "evil/a:1", id="regex"
        ),
        pytest.param(
            {"image--unlisted-choice": "school/a:1\n"}, "choice-invalid", "school", id="regex-whole"
        ),
        pytest.param({"profile": ["gpu"]}, "options-value", "'profile'", id="list-value"),
        pytest.param({"profile": "x" * 2000}, "options-value", "1,024", id="too-long"),
        pytest.param({"datasets": "flowers"}, "options-datasets", "list", id="no-list"),
        pytest.param({"datasets": ["a", 3]}, "options-datasets", "cifar10@2", id="no-names"),
        pytest.param({"datasets": {"a": 1}}, "options-datasets", "list", id="names-by-name"),
        pytest.param({"datasets": ["x" * 2000]}, "options-datasets", "list", id="long-name"),
        pytest.param([], "options-shape", "object", id="not-an-object"),
        pytest.param(None, "options-shape", "object", id="none"),
    ],
)
def test_anything_else_is_refused_by_name(raw: Any, reason: str, named: str) -> None:
    verdict = options.parse(raw, PROFILES)
    assert isinstance(verdict, Reject)
    assert verdict.reason == reason
    assert named in verdict.message


@pytest.mark.parametrize("profiles", [PROFILES, []], ids=["profiles", "none"])
def test_a_start_to_tidy_up_is_small_whatever_profiles_there_are(profiles: Any) -> None:
    chosen = options.parse({"rescue": "1"}, profiles)
    assert chosen == SpawnOptions(rescue=True)
    found = options.overrides(chosen, profiles)
    assert (found["cpu_limit"], found["mem_limit"], found["gpus"]) == (1.0, 1024**3, 0)
    assert options.from_form({"rescue": ["1"], "profile": ["gpu"]}, profiles) == {"rescue": "1"}


@pytest.mark.parametrize(
    "raw",
    [
        {"rescue": "1", "profile": "small-cpu"},
        {"rescue": "0"},
        {"rescue": "1", "image": "x"},
        {"rescue": "1", "datasets": ["flowers"]},
    ],
)
def test_a_start_to_tidy_up_takes_nothing_else(raw: Any) -> None:
    for profiles in (PROFILES, []):
        verdict = options.parse(raw, profiles)
        assert isinstance(verdict, Reject)
        assert verdict.reason == "rescue-alone"


@pytest.mark.parametrize("profiles", [PROFILES, []], ids=["profiles", "none"])
@pytest.mark.parametrize("asked", [["flowers", "cifar10@2"], []], ids=["some", "none"])
def test_datasets_are_taken_beside_all_else(profiles: Any, asked: list[str]) -> None:
    verdict = options.parse({"datasets": asked}, profiles)
    assert isinstance(verdict, SpawnOptions)
    assert verdict.datasets == tuple(asked)
    kept = options.kept(verdict)
    assert kept == ({"datasets": asked} if asked else {})
    assert options.parse(kept, profiles) == verdict


def test_a_profiles_datasets_are_those_of_the_chosen_one() -> None:
    profiles = [{**PROFILES[0], "datasets": ["flowers@2"]}, PROFILES[1]]
    chosen = [options.parse({"profile": slug}, profiles) for slug in ("small-cpu", "gpu")]
    assert [options.preselected(each, profiles) for each in chosen] == [("flowers@2",), ()]
    assert options.preselected(SpawnOptions(), []) == ()


def test_without_profiles_only_image_and_datasets_are_known() -> None:
    assert options.parse({"image": "a/b:1"}, []) == SpawnOptions(image="a/b:1")
    assert options.from_form({"datasets": ["a"]}, []) == {"datasets": ["a"]}
    verdict = options.parse({"profile": "gpu"}, [])
    assert isinstance(verdict, Reject)
    assert verdict.reason == "option-unknown"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(
            {"profile": "small-cpu"}, {"cpu_limit": 1, "environment": {"A": "1"}}, id="profile"
        ),
        pytest.param(
            {}, {"gpus": 2, "environment": {"A": "1", "C": "3"}}, id="default-choice-none-removes"
        ),
        pytest.param(
            {"size": "one", "image--unlisted-choice": "school/a:1"},
            {
                "gpus": 1,
                "image": "school/a:1",
                "environment": {"A": "1", "B": "2", "IMG": "x-school/a:1"},
            },
            id="typed-value-is-filled-in",
        ),
    ],
)
def test_a_choice_sets_traits_over_its_profile(raw: Any, expected: dict[str, Any]) -> None:
    assert options.overrides(parsed(raw), PROFILES) == expected


def test_resolving_never_changes_the_admins_list() -> None:
    import copy

    before = copy.deepcopy(PROFILES)
    result = options.overrides(parsed({}), PROFILES)
    result["environment"]["A"] = "changed"
    assert before == PROFILES


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        pytest.param({}, {"profile": "gpu"}, id="empty"),
        pytest.param(
            {"profile": ["small-cpu"], "profile-option-gpu--size": ["one"], "_xsrf": ["x"]},
            {"profile": "small-cpu"},
            id="other-cards-do-not-count",
        ),
        pytest.param(
            {
                "profile": ["gpu"],
                "profile-option-gpu--size": ["one"],
                "profile-option-gpu--image": ["std"],
                "profile-option-gpu--image--unlisted-choice": ["left over"],
            },
            {"profile": "gpu", "size": "one", "image": "std"},
            id="text-beside-a-listed-choice",
        ),
        pytest.param(
            {
                "profile": ["gpu"],
                "profile-option-gpu--image": ["unlisted_choice"],
                "profile-option-gpu--image--unlisted-choice": ["school/a:1"],
            },
            {
                "profile": "gpu",
                "image": "unlisted_choice",
                "image--unlisted-choice": "school/a:1",
            },
            id="typed",
        ),
        pytest.param(
            {
                "profile": ["small-cpu"],
                "datasets": ["flowers", "cifar10"],
                "dataset-version--flowers": ["2"],
                "dataset-version--cifar10": [""],
                "dataset-version--birds": ["1"],
            },
            {"profile": "small-cpu", "datasets": ["flowers@2", "cifar10"]},
            id="ticked-datasets-in-their-versions",
        ),
    ],
)
def test_a_form_carries_what_rest_would_send(
    form: dict[str, list[str]], expected: dict[str, str]
) -> None:
    assert options.from_form(form, PROFILES) == expected


def test_a_card_shows_the_last_choice() -> None:
    saved = {"profile": "gpu", "size": "one", "image--unlisted-choice": "school/a:1"}
    size, image = options.card_options(PROFILES[1], saved)
    assert [(slug, chosen) for slug, _, chosen in size.choices] == [("one", True), ("two", False)]
    assert image.unlisted_value == "school/a:1"
    assert image.unlisted_label == "Another"


def gpu(slug: str, image: str = "", **options: Any) -> dict[str, Any]:
    return plain(slug, image, gpus=1) | {"profile_options": options}


def plain(slug: str, image: str = "", **sets: Any) -> dict[str, Any]:
    override = {**sets, **({"image": image} if image else {})}
    return {"display_name": slug.title(), "slug": slug, "spawner_override": override}


def choices(**sets: dict[str, Any]) -> dict[str, Any]:
    return {"choices": {slug: {"spawner_override": each} for slug, each in sets.items()}}


IMAGES = choices(std={"image": "a:1"}, new={"image": "b:2"})


@pytest.mark.parametrize(
    ("profiles", "chosen", "found"),
    [
        pytest.param([gpu("gpu"), plain("cpu")], {}, [{"profile": "cpu"}] * 2, id="a-cpu-profile"),
        pytest.param([gpu("gpu"), gpu("big")], {}, [], id="only-gpus"),
        pytest.param(
            [plain("cpu"), gpu("gpu", n=choices(one={"gpus": 1}, none={"gpus": 0}), img=IMAGES)],
            {"n": "one", "img": "new"},
            [{"profile": "gpu", "n": "none", "img": "new"}],
            id="the-same-profile-with-another-choice",
        ),
        pytest.param(
            [gpu("gpu", img=IMAGES), {**plain("cpu"), "profile_options": {"img": IMAGES}}],
            {"img": "new"},
            [{"profile": "cpu", "img": "new"}, {"profile": "cpu"}],
            id="what-was-chosen-is-kept",
        ),
        pytest.param(
            [gpu("gpu", n=choices(x={})), {**gpu("big", n=choices(x={"gpus": 1}, y={"gpus": 0}))}],
            {"n": "x"},
            [],
            id="what-is-kept-may-need-gpus-too",
        ),
        pytest.param(
            [gpu("gpu", "b:2"), plain("other", "c:3"), {**plain("cpu", "a:1"), "default": True},
             plain("same", "b:2")],
            {},
            [{"profile": "same"}] * 2 + [{"profile": "cpu"}] * 2 + [{"profile": "other"}] * 2,
            id="the-same-image-first-then-the-default",
        ),
    ],
)  # fmt: skip
def test_what_is_started_instead_without_gpus(
    profiles: list[dict[str, Any]], chosen: dict[str, str], found: list[dict[str, str]]
) -> None:
    def has_gpus(start: SpawnOptions) -> bool:
        return bool(options.overrides(start, profiles).get("gpus"))

    slug = next(each["slug"] for each in profiles if each["spawner_override"].get("gpus"))
    start = options.parse({"profile": slug, **chosen}, profiles)
    assert isinstance(start, SpawnOptions)
    nearest = options.without_gpus(start, profiles, has_gpus)
    assert nearest[: len(found)] == found
    assert all(isinstance(options.parse(raw, profiles), SpawnOptions) for raw in nearest)
    assert bool(nearest) == bool(found)
