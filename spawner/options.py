"""What a person asks for → ``SpawnOptions``, by allow-list; and what the start page shows. Pure.

Profiles have KubeSpawner's ``profile_list`` shape, with ``spawner_override`` for
its ``kubespawner_override``.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from room.models import Reject, SpawnOptions

Profile = Mapping[str, Any]
#: The select's value, and the suffix of the key that carries what was typed instead.
UNLISTED = "unlisted_choice"
UNLISTED_SUFFIX = "--unlisted-choice"
#: The option that asks for a small server with which a full home can be tidied.
RESCUE = "rescue"
#: The option that says which class's environment: its name, or none.
ENVIRONMENT = "environment"
#: The option that says which datasets, and the form's prefix of which version each is to have.
DATASETS = "datasets"
DATASET_VERSION = "dataset-version--"
#: What that server gets, whatever profiles there are: a core, memory in bytes, and no GPU.
RESCUE_TRAITS: Mapping[str, Any] = {
    "cpu_limit": 1.0,
    "mem_limit": 1024**3,
    "shm_size": 64 * 1024**2,
    "gpus": 0,
}


@dataclass(frozen=True, slots=True)
class CardOption:
    """One further choice on a card; ``choices`` are (slug, display name, selected)."""

    slug: str
    display_name: str
    choices: tuple[tuple[str, str, bool], ...]
    unlisted_label: str = ""
    unlisted_value: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """One profile on the start page. Sizes in bytes, CPU in cores."""

    slug: str
    display_name: str
    description: str
    cpu: float | None
    memory: int | None
    shm: int | None
    gpus: int
    gpu_label: str
    image: str
    selected: bool
    available: bool = True
    unavailable_reason: str = ""
    options: tuple[CardOption, ...] = ()


def slug_of(profile: Profile) -> str:
    """Return the profile's slug: its own, or one made of its display name."""
    own = profile.get("slug")
    return str(own) if own else slugify(str(profile["display_name"]))


def slugify(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "profile"


def default_slug(profiles: Sequence[Profile]) -> str:
    """Return the slug of the profile marked default, else of the first."""
    chosen = next((p for p in profiles if p.get("default")), profiles[0])
    return slug_of(chosen)


def with_default(profiles: Sequence[Profile], slug: str) -> tuple[Profile, ...]:
    """Return the profiles with another one as the usual one."""
    return tuple({**profile, "default": slug_of(profile) == slug} for profile in profiles)


def parse(raw: Any, profiles: Sequence[Profile]) -> SpawnOptions | Reject:
    """Return the options in ``raw`` (REST's JSON or the form's), or name the first key refused.

    Without profiles only ``image`` is known, and whether it is allowed is for
    DockerSpawner's own ``allowed_images`` to say.
    """
    if not isinstance(raw, Mapping):
        return Reject("options-shape", "The options must be an object of names and values.")
    rest = {key: value for key, value in raw.items() if key != DATASETS}
    for key, value in rest.items():
        if not _is_text(value):
            return Reject(
                "options-value",
                f"The option {_shown(key)} must be a text of at most 1,024 characters.",
            )
    if RESCUE in rest:
        return _parse_rescue(raw)
    datasets = raw.get(DATASETS) or []
    if not isinstance(datasets, (list, tuple)) or not all(map(_is_text, datasets)):
        return Reject(
            "options-datasets",
            "The option 'datasets' must be a list of names, each as cifar10 or cifar10@2.",
        )
    environment = rest.pop(ENVIRONMENT, "")
    parsed = _parse_profile(rest, profiles) if profiles else _parse_image(rest)
    if isinstance(parsed, Reject):
        return parsed
    return replace(parsed, datasets=tuple(datasets), environment=environment)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 1024


def _parse_rescue(raw: Mapping[str, Any]) -> SpawnOptions | Reject:
    if dict(raw) == {RESCUE: "1"}:
        return SpawnOptions(rescue=True)
    return Reject("rescue-alone", "A start to tidy up takes no other option: ask for it alone.")


def _parse_image(raw: Mapping[str, str]) -> SpawnOptions | Reject:
    unknown = next((key for key in raw if key != "image"), None)
    if unknown is not None:
        return _unknown(unknown, ["image", DATASETS, ENVIRONMENT])
    return SpawnOptions(image=raw.get("image") or None)


def _parse_profile(raw: Mapping[str, str], profiles: Sequence[Profile]) -> SpawnOptions | Reject:
    by_slug = {slug_of(profile): profile for profile in profiles}
    slug = raw.get("profile") or default_slug(profiles)
    profile = by_slug.get(slug)
    if profile is None:
        return Reject(
            "profile-unknown",
            f"There is no profile {_shown(slug)} in this room. "
            f"Choose one of: {', '.join(sorted(by_slug))}.",
        )
    options: Mapping[str, Any] = profile.get("profile_options") or {}
    choices: dict[str, str] = {}
    for key, value in raw.items():
        if key == "profile":
            continue
        name = key.removesuffix(UNLISTED_SUFFIX)
        if name not in options:
            return _unknown(key, ["profile", DATASETS, ENVIRONMENT, *options])
        verdict = _check_choice(name, options[name], key != name, value)
        if verdict is not None:
            return verdict
        choices[key] = value
    return SpawnOptions(profile=slug, choices=MappingProxyType(choices))


def _check_choice(
    name: str, option: Mapping[str, Any], unlisted: bool, value: str
) -> Reject | None:
    rule = option.get("unlisted_choice") or {}
    if unlisted:
        if not rule.get("enabled"):
            return _unknown(name + UNLISTED_SUFFIX, [name])
        pattern = rule.get("validation_regex")
        if pattern and not re.fullmatch(pattern, value):
            return Reject(
                "choice-invalid",
                str(rule.get("validation_message") or "")
                or f"{_shown(value)} is not allowed for {name}: it must match {pattern}.",
            )
        return None
    choices = option.get("choices") or {}
    if value in choices or (value == UNLISTED and rule.get("enabled")):
        return None
    return Reject(
        "choice-unknown",
        f"{_shown(value)} is no choice for {name}. Choose one of: {', '.join(choices)}.",
    )


def _unknown(key: object, known: Sequence[str]) -> Reject:
    return Reject(
        "option-unknown",
        f"This room does not take the option {_shown(key)}. It takes: {', '.join(known)}.",
    )


def _shown(value: object) -> str:
    text = str(value)
    return repr(text if len(text) <= 60 else text[:57] + "...")


def overrides(options: SpawnOptions, profiles: Sequence[Profile]) -> dict[str, Any]:
    """Return the trait values that the chosen profile and its choices set.

    Later ones replace earlier ones, dicts merge, and ``None`` in a dict removes a key.
    """
    if options.rescue:
        return dict(RESCUE_TRAITS)
    if options.profile is None:
        return {}
    profile = next(p for p in profiles if slug_of(p) == options.profile)
    result: dict[str, Any] = copy.deepcopy(dict(profile.get("spawner_override") or {}))
    for name, option in (profile.get("profile_options") or {}).items():
        _merge(result, _choice_override(name, option, options.choices))
    return result


def _choice_override(
    name: str, option: Mapping[str, Any], chosen: Mapping[str, str]
) -> Mapping[str, Any]:
    typed = chosen.get(name + UNLISTED_SUFFIX)
    if typed is not None and chosen.get(name, UNLISTED) == UNLISTED:
        return _fill(option["unlisted_choice"].get("spawner_override") or {}, typed)
    slug = chosen.get(name) or default_choice(option)
    choice = (option.get("choices") or {}).get(slug) or {}
    return choice.get("spawner_override") or {}


def default_choice(option: Mapping[str, Any]) -> str | None:
    """Return the slug of the choice marked default, else of the first."""
    choices: Mapping[str, Any] = option.get("choices") or {}
    marked = next((slug for slug, c in choices.items() if c.get("default")), None)
    return marked or next(iter(choices), None)


def _fill(template: Any, value: str) -> Any:
    """Put ``value`` where the template says ``{value}``; no other format is looked at."""
    if isinstance(template, str):
        return template.replace("{value}", value)
    if isinstance(template, Mapping):
        return {key: _fill(item, value) for key, item in template.items()}
    if isinstance(template, (list, tuple)):
        return [_fill(item, value) for item in template]
    return template


def _merge(target: dict[str, Any], source: Mapping[str, Any]) -> None:
    for key, value in source.items():
        if isinstance(value, Mapping) and isinstance(target.get(key), dict):
            inner = target[key]
            _merge(inner, value)
            target[key] = {k: v for k, v in inner.items() if v is not None}
        else:
            target[key] = copy.deepcopy(value)


def without_gpus(
    chosen: SpawnOptions, profiles: Sequence[Profile], has_gpus: Callable[[SpawnOptions], bool]
) -> list[dict[str, str]]:
    """Return what can be started instead of what was chosen, without GPUs; the nearest first.

    That is the same profile with another choice, then others: those with the same image before
    others, and of these the default one. What was chosen is kept where there is such a choice.
    """
    own, others = [], []
    for profile in profiles:
        slug = slug_of(profile)
        kept = {
            name: value
            for name, value in chosen.choices.items()
            if isinstance(parse({"profile": slug, name: value}, profiles), SpawnOptions)
        }
        if slug != chosen.profile:
            others += [(profile, {"profile": slug, **kept}), (profile, {"profile": slug})]
            continue
        for name, option in (profile.get("profile_options") or {}).items():
            for choice in option.get("choices") or {}:
                rest = {key: value for key, value in kept.items() if key != name + UNLISTED_SUFFIX}
                own.append({"profile": slug, **rest, name: choice})

    def parsed(raw: Mapping[str, str]) -> SpawnOptions:
        choices = {name: value for name, value in raw.items() if name != "profile"}
        return SpawnOptions(profile=raw["profile"], choices=choices)

    def far(candidate: tuple[Profile, dict[str, str]]) -> tuple[bool, bool]:
        image = overrides(parsed(candidate[1]), profiles).get("image")
        return image != overrides(chosen, profiles).get("image"), not candidate[0].get("default")

    nearest = [*own, *(raw for _, raw in sorted(others, key=far))]
    return [raw for raw in nearest if not has_gpus(parsed(raw))]


def preselected(chosen: SpawnOptions, profiles: Sequence[Profile]) -> tuple[str, ...]:
    """Return the datasets that the chosen profile preselects."""
    named = (p.get("datasets") or () for p in profiles if slug_of(p) == chosen.profile)
    return tuple(next(named, ()))


def kept(chosen: SpawnOptions) -> dict[str, Any]:
    """Return the options of a start that do not depend on its profile, for one with another."""
    options = {DATASETS: list(chosen.datasets), ENVIRONMENT: chosen.environment}
    return {name: value for name, value in options.items() if value}


def with_profile(chosen: SpawnOptions, slug: str) -> SpawnOptions:
    """Return a start with another profile, and no choice of the one before."""
    return replace(chosen, profile=slug, choices=MappingProxyType({}))


def from_form(form: Mapping[str, Sequence[str]], profiles: Sequence[Profile]) -> dict[str, Any]:
    """Return the options that the start page's form carries, as REST would send them.

    The form holds the selects of every card: only those of the chosen one count.
    """
    if _first(form, RESCUE) == "1":
        return {RESCUE: "1"}
    datasets = ticked(form)
    result: dict[str, Any] = {DATASETS: datasets} if datasets else {}
    if environment := _first(form, ENVIRONMENT):
        result[ENVIRONMENT] = environment
    if not profiles:
        image = _first(form, "image")
        return {"image": image, **result} if image else result
    slug = _first(form, "profile") or default_slug(profiles)
    result["profile"] = slug
    prefix = f"profile-option-{slug}--"
    for key in form:
        if key.startswith(prefix):
            value = _first(form, key)
            name = key.removeprefix(prefix)
            if value and not _is_unused_text(name, form, prefix):
                result[name] = value
    return result


def ticked(form: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the datasets that are ticked, each with its version where one was chosen."""
    versions = {name: _first(form, DATASET_VERSION + name) for name in form.get(DATASETS, ())}
    return [f"{name}@{version}" if version else name for name, version in versions.items()]


def _is_unused_text(name: str, form: Mapping[str, Sequence[str]], prefix: str) -> bool:
    """Say whether ``name`` is the free text beside a select that was set to a listed choice."""
    select = name.removesuffix(UNLISTED_SUFFIX)
    return select != name and _first(form, prefix + select) != UNLISTED


def _first(form: Mapping[str, Sequence[str]], key: str) -> str:
    values = form.get(key) or [""]
    return str(values[0])


def card_options(profile: Profile, saved: Mapping[str, str]) -> tuple[CardOption, ...]:
    """Return a card's selects, with what was chosen last time preselected."""
    return tuple(
        _card_option(name, option, saved)
        for name, option in (profile.get("profile_options") or {}).items()
    )


def _card_option(name: str, option: Mapping[str, Any], saved: Mapping[str, str]) -> CardOption:
    selected = saved.get(name) or default_choice(option)
    rule = option.get("unlisted_choice") or {}
    choices = [
        (slug, str(choice.get("display_name", slug)), slug == selected)
        for slug, choice in (option.get("choices") or {}).items()
    ]
    label = str(rule.get("display_name", "Other")) if rule.get("enabled") else ""
    if label:
        choices.append((UNLISTED, label, selected == UNLISTED))
    return CardOption(
        slug=name,
        display_name=str(option.get("display_name", name)),
        choices=tuple(choices),
        unlisted_label=label,
        unlisted_value=saved.get(name + UNLISTED_SUFFIX, ""),
    )
