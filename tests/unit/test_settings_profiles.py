"""Profiles: their shape, and what may stand in them."""

from __future__ import annotations

import textwrap

import pytest

from room.models import SpawnOptions
from room.settings import Settings, SettingsError, default_profiles, parse
from spawner import options


def profiles(text: str) -> list[dict]:
    return parse(textwrap.dedent(text).encode()).settings.profile_list(has_gpus=False)


def said(text: str) -> str:
    with pytest.raises(SettingsError) as caught:
        parse(textwrap.dedent(text).encode())
    return "\n".join(str(problem) for problem in caught.value.problems)


def test_profile_is_profile_list_with_values_in_units_of_the_spawner():
    (found,) = profiles(
        """
        profiles:
          - display_name: Big GPU
            default: true
            spawner_override: {mem_limit: 8G, cpu_limit: 2, gpus: 1, environment: {A: 1}}
        """
    )
    assert found == {
        "display_name": "Big GPU",
        "slug": "big-gpu",
        "default": True,
        "spawner_override": {
            "mem_limit": 8 * 1024**3,
            "cpu_limit": 2.0,
            "gpus": 1,
            "environment": {"A": "1"},
        },
    }


def test_what_is_not_set_is_left_out_so_that_the_rooms_limits_hold():
    (found,) = profiles("profiles: [{display_name: A}]")
    assert found == {"display_name": "A", "slug": "a"}


def test_preselected_datasets_are_written_as_the_spawner_reads_them():
    (found,) = profiles("profiles: [{display_name: A, datasets: [Flowers@2, cifar10]}]")
    assert options.preselected(SpawnOptions("a"), [found]) == ("flowers@2", "cifar10")


def test_the_spawner_takes_every_part_of_a_profile():
    text = """
        profiles:
          - display_name: P
            profile_options:
              image:
                display_name: Image
                choices:
                  one: {display_name: One, default: true, spawner_override: {image: "a:1"}}
                unlisted_choice:
                  enabled: true
                  validation_regex: x[0-9]
                  spawner_override: {image: "reg/{value}:1"}
        """
    listed = profiles(text)
    chosen = options.parse({"profile": "p", "image--unlisted-choice": "x7"}, listed)
    assert options.overrides(chosen, listed) == {"image": "reg/x7:1"}
    assert options.overrides(options.parse({"profile": "p"}, listed), listed) == {"image": "a:1"}


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        pytest.param("One GPU (24 GB)", "one-gpu-24-gb", id="words"),
        pytest.param("--x--", "x", id="dashes"),
        pytest.param("显卡", "p-0296a21a", id="no-latin-letter"),
        pytest.param("x" * 99, "x" * 63, id="long"),
    ],
)
def test_slug_is_made_from_the_title(name, slug):
    (found,) = profiles(f"profiles: [{{display_name: '{name}'}}]")
    assert found["slug"] == slug


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param(
            "profiles: [{display_name: a, kubespawner_override: {}}]",
            "use spawner_override",
            id="kubespawner",
        ),
        pytest.param("profiles: [{slug: a}]", "display_name: is required", id="no-title"),
        pytest.param("profiles: [{display_name: ''}]", "must not be empty", id="empty-title"),
        pytest.param(
            "profiles:\n  - display_name: A b\n  - display_name: a-B\n",
            "line 3: profiles[1].display_name: profile 1 has the slug a-b already",
            id="same-slug-derived",
        ),
        pytest.param(
            "profiles:\n  - display_name: A\n    slug: x\n  - display_name: B\n    slug: x\n",
            "line 5: profiles[1].slug: profile 1 has the slug x already",
            id="same-slug",
        ),
        pytest.param(
            "profiles:\n  - {display_name: A, default: true}\n  - {display_name: B, default: true}",
            "line 3: profiles[1].default: profile 1 is the default already",
            id="two-defaults",
        ),
        pytest.param("profiles: [{display_name: a, slug: A}]", "is no slug", id="slug-upper"),
        pytest.param(
            "profiles: [{display_name: a, datasets: ['../etc']}]",
            "names no dataset: a dataset's name starts with",
            id="dataset-no-name",
        ),
        pytest.param(
            "profiles: [{display_name: a, datasets: [flowers@0]}]",
            "names no version: write a dataset and its number",
            id="dataset-no-version",
        ),
        pytest.param(
            "profiles: [{display_name: a, datasets: [flowers@1, birds, flowers]}]",
            "profiles[0].datasets: flowers stands here 2 times",
            id="dataset-twice",
        ),
    ],
)
def test_profile_that_is_wrong_is_said(text, problem):
    assert problem in said(text)


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        pytest.param("volumes: {/: /host}", "there is no key 'volumes'", id="mount"),
        pytest.param("privileged: true", "there is no key 'privileged'", id="privileged"),
        pytest.param("extra_host_config: {}", "there is no key", id="host-config"),
        pytest.param("mem_limit: 1M", "must be at least 64M", id="memory-too-small"),
        pytest.param("mem: 8G", "did you mean mem_limit?", id="name-of-another-program"),
        pytest.param("gpus: -1", "must be at least 0", id="negative-gpus"),
        pytest.param("gpus: true", "must be a whole number", id="gpus-true"),
        pytest.param("image: pytorch:latest", "another image tomorrow", id="latest"),
        pytest.param("environment: {A: on}", "put the one you mean in quotes", id="yaml-on"),
        pytest.param("environment: {'A B': x}", "is no variable's name", id="variable-name"),
        pytest.param(
            "environment: {NVIDIA_VISIBLE_DEVICES: all}", "set by the room itself", id="nvidia"
        ),
        pytest.param("environment: {JUPYTERHUB_API_TOKEN: x}", "set by the room", id="hub-token"),
        pytest.param("environment: {LD_PRELOAD: /x.so}", "set by the room itself", id="preload"),
    ],
)
def test_override_takes_only_what_a_profile_may_set(override, problem):
    assert problem in said(f"profiles: [{{display_name: a, spawner_override: {{{override}}}}}]")


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        pytest.param("o: {}", "the option offers nothing", id="no-choice"),
        pytest.param(
            "o: {choices: {a: {display_name: A, default: true}, b: {display_name: B, "
            "default: true}}}",
            "only one can be",
            id="two-defaults",
        ),
        pytest.param(
            "o: {unlisted_choice: {enabled: true, spawner_override: {image: '{value}'}}}",
            "without a validation_regex",
            id="anything-typed",
        ),
        pytest.param(
            "o: {unlisted_choice: {enabled: true, validation_regex: x}}",
            "what is typed has no effect",
            id="typed-for-nothing",
        ),
        pytest.param(
            "o: {unlisted_choice: {enabled: true, validation_regex: '(', spawner_override: "
            "{image: '{value}'}}}",
            "is no regular expression",
            id="bad-regex",
        ),
        pytest.param(
            "o: {unlisted_choice: {enabled: true, validation_regex: x, spawner_override: "
            "{image: 'a:1'}}}",
            "ignores what was typed",
            id="no-placeholder",
        ),
        pytest.param(
            "o: {unlisted_choice: {enabled: true, validation_regex: x, spawner_override: "
            "{mem_limit: '{value}'}}}",
            "there is no key 'mem_limit'",
            id="typed-limit",
        ),
        pytest.param("profile: {}", "choose another", id="reserved-name"),
        pytest.param("datasets: {}", "choose another", id="reserved-for-datasets"),
        pytest.param("rescue: {}", "choose another", id="reserved-for-a-start-to-tidy-up"),
        pytest.param("'a b': {}", "is no name for an option", id="name-with-space"),
    ],
)
def test_option_that_is_wrong_is_said(option, problem):
    assert problem in said(f"profiles: [{{display_name: a, profile_options: {{{option}}}}}]")


def test_room_without_profiles_has_a_cpu_and_a_gpu_where_there_are_gpus():
    assert [p["slug"] for p in Settings().profile_list(has_gpus=False)] == ["cpu"]
    assert [p["slug"] for p in Settings().profile_list(has_gpus=True)] == ["cpu", "gpu"]


def test_default_profiles_are_profiles_that_room_yaml_takes():
    found = Settings.model_validate({"profiles": default_profiles(has_gpus=True)})
    assert found.profile_list(has_gpus=False) == default_profiles(has_gpus=True)


def test_own_profiles_stay_whatever_gpus_there_are():
    found = parse(b"profiles: [{display_name: a}]").settings
    assert found.profile_list(has_gpus=True) == found.profile_list(has_gpus=False)
