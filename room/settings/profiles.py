"""Profiles: what can be started, in KubeSpawner's shape, with ``spawner_override``."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from room.datasets.names import reference
from room.settings.base import Section
from room.settings.problems import KeyPath
from room.settings.values import (
    Cores,
    Count,
    Flag,
    Image,
    LeaseTime,
    SessionTime,
    Size,
)
from room.values import shown

MIB = 1024**2
SLUG = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MIG = re.compile(r"\d+g\.\d+gb(\+[a-z.]+)?")
_OPTION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?")

#: What JupyterHub, the room and the GPU path set themselves.
_RESERVED_PREFIXES = ("JUPYTERHUB_", "JPY_", "JUPYTER_", "ROOM_", "LD_", "NVIDIA_")
_RESERVED = frozenset(
    ("HOME", "USER", "PATH", "SHELL", "CPU_LIMIT", "MEM_LIMIT", "CUDA_VISIBLE_DEVICES")
)


def _check_variable(name: str) -> str:
    if not _VARIABLE.fullmatch(name):
        raise ValueError(f"{shown(name)} is no variable's name: letters, digits and _ only")
    if name in _RESERVED or name.startswith(_RESERVED_PREFIXES):
        raise ValueError(f"{name} is set by the room itself and cannot be set here")
    return name


def _text_of(value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        raise ValueError(f"{shown(value)} can mean several texts: put the one you mean in quotes")
    return str(value) if isinstance(value, (int, float)) else value


def _check_slug(text: str) -> str:
    if text and not SLUG.fullmatch(text):
        raise ValueError(f"{shown(text)} is no slug: a-z, digits and - only, at most 63 characters")
    return text


def _check_option(text: str) -> str:
    if not _OPTION.fullmatch(text) or text.endswith("--unlisted-choice"):
        raise ValueError(f"{shown(text)} is no name for an option: letters, digits, _ and - only")
    if text in ("profile", "unlisted_choice", "datasets", "rescue"):
        raise ValueError(f"{shown(text)} means something else on the start page: choose another")
    return text


def _check_regex(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"{shown(text)} is no regular expression: {error}") from None
    return text


def _check_template(text: str) -> str:
    if "{value}" not in text:
        raise ValueError(f"{shown(text)} ignores what was typed: put {{value}} where it belongs")
    return text


def _check_mig(text: str) -> str:
    if text and not _MIG.fullmatch(text):
        raise ValueError(f"{shown(text)} is no MIG profile: nvidia-smi -L shows them, like 1g.10gb")
    return text


def _check_dataset(text: str) -> str:
    return str(reference(text))


Variable = Annotated[str, AfterValidator(_check_variable)]
Text = Annotated[str, BeforeValidator(_text_of)]
Title = Annotated[str, Field(min_length=1, max_length=100)]
OptionName = Annotated[str, AfterValidator(_check_option)]
DatasetReference = Annotated[str, AfterValidator(_check_dataset)]


class Override(Section):
    """What a profile or a choice sets. Nothing else of a server can be set from here."""

    image: Image | None = Field(None, description="Image to start, with a tag or a digest.")
    cpu_limit: Cores | None = Field(None, description="CPU cores at most, like 2 or 0.5.")
    mem_limit: Annotated[Size, Field(ge=64 * MIB)] | None = Field(
        None, description="Memory at most, like 8G. There is no swap on top."
    )
    shm_size: Annotated[Size, Field(ge=MIB)] | None = Field(
        None, description="Size of /dev/shm, which PyTorch's data loaders use."
    )
    pids_limit: Annotated[Count, Field(ge=16, le=4_194_304)] | None = Field(
        None, description="Processes and threads at most."
    )
    gpus: Annotated[Count, Field(ge=0, le=64)] | None = Field(
        None, description="Number of GPU units, leased to the server alone."
    )
    gpu_kind: Literal["any", "gpu", "mig", "seat"] | None = Field(
        None,
        description="Which units: gpu, whole cards; mig, MIG instances; seat, seats of a shared "
        "GPU; any, a card or a MIG instance, never a seat.",
    )
    gpu_model: Annotated[str, Field(max_length=100)] | None = Field(
        None, description="A part of the card's name that the units must have, like A100."
    )
    gpu_memory: Annotated[Size, Field(ge=0)] | None = Field(
        None, description="Memory that each unit must have at least, like 20G."
    )
    mig_profile: Annotated[str, AfterValidator(_check_mig)] | None = Field(
        None, description="The MIG profile that each unit must have, like 1g.10gb."
    )
    lease: LeaseTime | None = Field(
        None,
        description="How long the server may have its units, like 4h; none: as long as it runs.",
    )
    session: SessionTime | None = Field(
        None,
        description="How long the server may run, like 12h; none: as long as it likes.",
    )
    environment: dict[Variable, Text] = Field(
        {}, description="Environment variables of the server."
    )


class UnlistedOverride(Section):
    """What is set from a text that a person typed: {value} stands for it."""

    image: Annotated[str, AfterValidator(_check_template)] | None = Field(
        None, description="Image to start, with {value} where the typed text belongs."
    )
    environment: dict[Variable, Text] = Field(
        {}, description="Environment variables, with {value} where the typed text belongs."
    )


class Choice(Section):
    """One of an option's choices."""

    display_name: Title = Field(description="What the start page calls it.")
    default: Flag = Field(False, description="Chosen before anyone has chosen.")
    spawner_override: Override = Field(Override(), description="What it sets.")


class UnlistedChoice(Section):
    """A text that a person types instead of a listed choice."""

    enabled: Flag = Field(False, description="Offer it.")
    display_name: Title = Field("Other", description="What the start page calls it.")
    validation_regex: Annotated[str, AfterValidator(_check_regex)] = Field(
        "",
        description="What the whole text must match. Required: it keeps people to the rule.",
    )
    validation_message: str = Field("", description="What a person reads when it does not match.")
    spawner_override: UnlistedOverride = Field(UnlistedOverride(), description="What it sets.")


class ProfileOption(Section):
    """A further choice on a profile's card."""

    display_name: str = Field("", description="What the start page calls it.")
    choices: dict[OptionName, Choice] = Field({}, description="The choices, by a short name.")
    unlisted_choice: UnlistedChoice | None = Field(
        None, description="Let people type something that is not listed."
    )


class Profile(Section):
    """One card on the start page."""

    display_name: Title = Field(description="The card's title.")
    slug: Annotated[str, AfterValidator(_check_slug)] = Field(
        "", description="Short name in REST requests and labels. Default: made from the title."
    )
    description: str = Field("", description="A sentence below the title.")
    default: Flag = Field(False, description="Selected before anyone has chosen.")
    datasets: tuple[DatasetReference, ...] = Field(
        (),
        description="Datasets that are preselected: a name for the newest version, or as in "
        "cifar10@2. Who chooses none gets these, as far as they are for their classes; empty: all.",
    )
    profile_options: dict[OptionName, ProfileOption] = Field(
        {}, description="Further choices on the card, by a short name."
    )
    spawner_override: Override = Field(Override(), description="What the profile sets.")

    @property
    def short_name(self) -> str:
        """Return the slug, or one made from the title that stays when profiles are reordered."""
        if self.slug:
            return self.slug
        made = re.sub(r"[^a-z0-9]+", "-", self.display_name.lower()).strip("-")[:63].strip("-")
        return made or "p-" + hashlib.sha256(self.display_name.encode()).hexdigest()[:8]

    @property
    def memory(self) -> int:
        """Return the bytes that a server of it may have at most, by any choice; 0: not said."""
        overrides = (
            choice.spawner_override
            for option in self.profile_options.values()
            for choice in option.choices.values()
        )
        return max(each.mem_limit or 0 for each in (self.spawner_override, *overrides))

    def as_dict(self) -> dict[str, Any]:
        """Return the profile as ``profile_list`` has it: what is not set is left out."""
        result = self.model_dump(exclude_unset=True, exclude_none=True)
        result["slug"] = self.short_name
        return result


def default_profiles(has_gpus: bool) -> list[dict[str, Any]]:
    """Return the profiles of a room that names none: a CPU, and one GPU where there are GPUs.

    CPU is the default: a start on it never takes a card from someone who needs it.
    """
    cpu = {
        "display_name": "CPU",
        "slug": "cpu",
        "description": "PyTorch on the CPU: for writing code and for small models.",
        "default": True,
        "spawner_override": {"gpus": 0},
    }
    gpu = {
        "display_name": "One GPU",
        "slug": "gpu",
        "description": "PyTorch with CUDA on a GPU of your own while the server runs.",
        "spawner_override": {"gpus": 1},
    }
    return [cpu, gpu] if has_gpus else [cpu]


def problems(profiles: Iterable[Profile]) -> Iterator[tuple[KeyPath, str]]:
    """Yield what is wrong between profiles, and between the parts of one."""
    slugs: dict[str, int] = {}
    default: int | None = None
    for index, profile in enumerate(profiles):
        slug = profile.short_name
        if slug in slugs:
            yield (
                ("profiles", index, "slug" if profile.slug else "display_name"),
                f"profile {slugs[slug] + 1} has the slug {slug} already: give this one another",
            )
        slugs.setdefault(slug, index)
        if profile.default and default is not None:
            yield (
                ("profiles", index, "default"),
                f"profile {default + 1} is the default already: only one can be",
            )
        default = index if profile.default and default is None else default
        for name, count in Counter(reference(each).name for each in profile.datasets).items():
            if count > 1:
                message = f"{name} stands here {count} times: a server has one version of a dataset"
                yield ("profiles", index, "datasets"), message
        for path, override in _overrides(profile):
            for message in _gpu_problems(override):
                yield ("profiles", index, *path), message
        for name, option in profile.profile_options.items():
            for path, message in _option_problems(option):
                yield ("profiles", index, "profile_options", name, *path), message


def _overrides(profile: Profile) -> Iterator[tuple[KeyPath, Override]]:
    """Yield every set of values that a profile can come to, with where it stands."""
    yield ("spawner_override",), profile.spawner_override
    for name, option in profile.profile_options.items():
        for key, choice in option.choices.items():
            where = ("profile_options", name, "choices", key, "spawner_override")
            yield where, choice.spawner_override


def asks_for_seat(profile: Profile) -> bool:
    """Say whether a profile, or one of its choices, asks for a seat of a shared GPU."""
    return any(override.gpu_kind == "seat" for _path, override in _overrides(profile))


def _gpu_problems(override: Override) -> Iterator[str]:
    if override.mig_profile and override.gpu_kind not in (None, "any", "mig"):
        yield (
            f"mig_profile {override.mig_profile} asks for a MIG instance, and gpu_kind "
            f"{override.gpu_kind} is none: leave one of the two out"
        )
    asked = [
        name
        for name in ("gpu_kind", "gpu_model", "gpu_memory", "mig_profile")
        if getattr(override, name) and getattr(override, name) != "any"
    ]
    if override.gpus == 0 and asked:
        yield f"{asked[0]} says which GPUs, and gpus: 0 asks for none: leave one of the two out"


def _option_problems(option: ProfileOption) -> Iterator[tuple[KeyPath, str]]:
    typed = option.unlisted_choice
    if not option.choices and not (typed and typed.enabled):
        yield (), "the option offers nothing: give it choices"
    if sum(choice.default for choice in option.choices.values()) > 1:
        yield ("choices",), "several choices are the default: only one can be"
    if typed is None or not typed.enabled:
        return
    if not typed.validation_regex:
        yield (
            ("unlisted_choice",),
            "without a validation_regex anyone could type anything: say what the text must match",
        )
    if typed.spawner_override == UnlistedOverride():
        yield ("unlisted_choice",), "what is typed has no effect: give it a spawner_override"
