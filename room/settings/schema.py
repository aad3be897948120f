"""The keys of ``room.yaml``, their defaults, and what each one means.

``room.example.yaml`` and ``docs/reference/room.yaml.md`` are made from these
descriptions by ``tools/reference.py``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from room import names
from room.gpus.seats import Sharing
from room.settings.base import Section
from room.settings.datasets import DatasetsSection
from room.settings.host import HostSection
from room.settings.images import Images, Mirrors
from room.settings.plans import PlanSection, ZoneName
from room.settings.profiles import Profile, default_profiles
from room.settings.values import (
    AbsolutePath,
    Address,
    AddressText,
    Cores,
    Count,
    DataRoot,
    Duration,
    FilePath,
    Flag,
    LeaseTime,
    SessionTime,
    Size,
    Url,
    parse_address,
)
from room.values import shown

KIB, MIB, GIB = 1024, 1024**2, 1024**3


def _check_name(text: str) -> str:
    if not names.ROOM_NAME.fullmatch(text):
        raise ValueError(
            f"{shown(text)} is no name of a room: a letter a-z, then at most 14 letters or digits"
        )
    return text


def _check_gpu(name: str | int) -> str | int:
    if isinstance(name, bool) or (isinstance(name, int) and name < 0):
        raise ValueError(f"{shown(name)} is no GPU: write its UUID, or its number in nvidia-smi")
    if isinstance(name, str) and not re.fullmatch(r"GPU-[0-9A-Za-z-]+", name):
        raise ValueError(f"{shown(name)} is no GPU: nvidia-smi -L shows their UUIDs, GPU-…")
    return name


Login_ = Annotated[str, AfterValidator(names.normalize_login)]
Word = Annotated[str, Field(min_length=1)]


class OAuth(Section):
    """Log in with accounts of a provider, beside the links of `room user`.

    Register the room with the provider first; its callback is `<address>/hub/oauth_callback`.
    """

    provider: Literal["github", "gitlab", "google", "oidc"] = Field(
        description="Whose accounts. oidc is any OpenID Connect provider.", examples=["oidc"]
    )
    client_id: Word = Field(
        description="What the provider calls this room.", examples=["torchroom"]
    )
    client_secret_file: FilePath = Field(
        description="File with the secret that the provider gave. Readable by root only.",
        examples=["/etc/torchroom/client_secret"],
    )
    issuer: Url = Field(
        "",
        description="Where the provider is. Required for oidc; for gitlab when it is your own.",
        examples=["https://login.example.org/realms/school"],
    )
    username_claim: str = Field(
        "",
        description="oidc: the claim that becomes the login. Empty: preferred_username.",
        examples=["preferred_username"],
    )
    groups_claim: str = Field(
        "",
        description="oidc: the claim that lists a person's groups, dots for a nested one.",
        examples=["groups"],
    )
    allowed_users: tuple[Word, ...] = Field(
        (), description="Logins that may come in.", examples=[["alice", "bob"]]
    )
    allowed_groups: tuple[Word, ...] = Field(
        (), description="oidc and gitlab: groups whose members may come in.", examples=[["ml101"]]
    )
    allowed_organizations: tuple[Word, ...] = Field(
        (),
        description="github: organizations whose members may come in.",
        examples=[["our-school"]],
    )
    allowed_domains: tuple[Word, ...] = Field(
        (),
        description="Domains of e-mail addresses that may come in.",
        examples=[["school.example"]],
    )
    allow_all: Flag = Field(
        False, description="Let every account of the provider in. On github that is the world."
    )
    scopes: tuple[Word, ...] = Field(
        (),
        description="What to ask the provider for, where its default does not bring the groups.",
        examples=[["openid", "profile", "groups"]],
    )
    label: str = Field("", description="The text on the login button.", examples=["School account"])


class Login(Section):
    """Who comes in. Links of `room user` always work; a provider can be added."""

    admins: tuple[Login_, ...] = Field(
        ("admin",), description="Logins that may do everything in the hub's pages."
    )
    oauth: OAuth | None = Field(
        None, description="A provider of accounts: GitHub, GitLab, Google or OpenID Connect."
    )


class TLS(Section):
    """The certificate, when the address is https."""

    mode: Literal["acme", "files", "internal"] = Field(
        "acme",
        description="acme: a public authority signs, for a public name that this machine answers "
        "for on ports 80 and 443. files: your own certificate. internal: an authority of the "
        "room's own, which every browser must be told to trust.",
    )
    certificate: FilePath | None = Field(
        None,
        description="files: the certificate and those that signed it, PEM.",
        examples=["/etc/torchroom/tls/site.crt"],
    )
    key: FilePath | None = Field(
        None,
        description="files: its private key, PEM, readable by root only.",
        examples=["/etc/torchroom/tls/site.key"],
    )
    email: str = Field(
        "",
        description="acme: where the authority writes when something expires.",
        examples=["admin@school.example"],
    )


class LimitsSection(Section):
    """What one server may take where its profile says nothing. Every limit is hard."""

    cpu: Cores = Field(2.0, description="CPU cores.")
    memory: Annotated[Size, Field(ge=256 * MIB)] = Field(
        4 * GIB, description="Memory; there is no swap on top. Above it the server is ended."
    )
    shm: Annotated[Size, Field(ge=MIB)] = Field(
        1 * GIB,
        description="Size of /dev/shm, which PyTorch's data loaders use. It counts as memory.",
    )
    pids: Annotated[Count, Field(ge=64, le=4_194_304)] = Field(
        1024, description="Processes and threads."
    )
    log_size: Annotated[Size, Field(ge=64 * KIB)] = Field(
        10 * MIB, description="Size of one log file of a server."
    )
    log_files: Annotated[Count, Field(ge=1, le=100)] = Field(
        3, description="Log files kept of a server, the newest among them."
    )
    boot_timeout: Annotated[Duration, Field(ge=5, le=3600)] = Field(
        120.0, description="How long a server may take from its start until it answers."
    )
    session: SessionTime = Field(
        0.0,
        description="How long a server may run, with a GPU or without, like 12h, before it is "
        "stopped; its home stays. none: as long as it likes.",
    )


class ClassesSection(Section):
    """What classes may keep on the disk, where it can hold a limit. 0: no limit."""

    folder: Annotated[Size, Field(ge=0)] = Field(
        20 * GIB, description="Size of a class's folder, which its instructors write."
    )
    hand_in: Annotated[Size, Field(ge=0)] = Field(
        2 * GIB, description="Size of what each student can hand in, in each class."
    )


class Seats(Section):
    """GPUs that several servers use at once. Say which: by `gpus`, or by `model`.

    A seat is cooperative: where the driver cannot cap a server's memory, the room watches, warns
    who uses more than the seat's share, and then stops that server.
    """

    gpus: tuple[Annotated[str | int, AfterValidator(_check_gpu)], ...] = Field(
        (),
        description="UUIDs of whole GPUs, or their numbers in nvidia-smi. A number can mean "
        "another card after a reboot.",
        examples=[["GPU-5a1b4c5e-0000-4000-8000-000000000000"]],
    )
    model: str = Field("", description="A part of the card's name, like T4.", examples=["T4"])
    seats: Annotated[Count, Field(ge=2, le=64)] = Field(
        description="Servers that share each of these GPUs. A seat has that part of its memory.",
        examples=[4],
    )


class Queue(Section):
    """In which order people who wait get GPUs, and how long a place is kept."""

    half_life: Annotated[Duration, Field(ge=60, le=366 * 86400)] = Field(
        24 * 3600.0,
        description="After how long what somebody has used counts half. The shorter, the sooner "
        "it is forgotten.",
    )
    max_wait: Annotated[Duration, Field(ge=60, le=30 * 86400)] = Field(
        4 * 3600.0,
        description="Who has waited this long, while somebody else was served twice, goes first.",
    )
    grace: Annotated[Duration, Field(ge=30, le=7 * 86400)] = Field(
        1800.0, description="How long a place is kept when nobody looks at its page."
    )
    api_grace: Annotated[Duration, Field(ge=30, le=7 * 86400)] = Field(
        12 * 3600.0, description="The same for a start over REST, which has no page."
    )
    give_up: Annotated[Duration, Field(ge=60, le=30 * 86400)] = Field(
        24 * 3600.0, description="How long anyone waits at most, before being told so."
    )
    weights: dict[str, Annotated[float, Field(gt=0, le=1000)]] = Field(
        {},
        description="A class's share of the GPUs against other classes that wait; 1 where nothing "
        "is said.",
        examples=[{"ml101": 2}],
    )


class GPUs(Section):
    """How GPUs reach a server, and how they are shared over time."""

    driver: Literal["auto", "cdi", "nvidia"] = Field(
        "auto",
        description="cdi: the Container Device Interface. nvidia: the older hook. auto: cdi where "
        "the engine has it.",
    )
    seats: tuple[Seats, ...] = Field(
        (),
        description="GPUs that are shared. Empty: each is leased to one server at a time.",
    )

    rates: dict[Word, Annotated[float, Field(ge=0, le=1000)]] = Field(
        {},
        description="What an hour of a unit counts towards gpu_hours: by a part of the card's "
        "name, a MIG profile, or seat. 1 where nothing is said; a seat then its part of the card.",
        examples=[{"A100": 2, "1g.10gb": 0.25}],
    )
    lease: LeaseTime = Field(
        0.0,
        description="How long a server may have its GPUs where its profile says nothing, like 4h; "
        "none: as long as it runs. At the end it is stopped, and its home stays.",
    )
    max_session: Annotated[Duration, Field(ge=300, le=30 * 86400)] = Field(
        24 * 3600.0,
        description="How long a lease can be kept at most, by people who ask for more time while "
        "nobody waits.",
    )
    queue: Queue = Field(
        Queue(),
        description="In which order people who wait get GPUs, and how long a place is kept.",
    )

    @property
    def sharing(self) -> tuple[Sharing, ...]:
        """Return the rules by which GPUs are split into seats."""
        return tuple(Sharing(rule.seats, rule.gpus, rule.model) for rule in self.seats)


class Settings(Section):
    """Everything that a site decides."""

    name: Annotated[str, AfterValidator(_check_name)] = Field(
        "torchroom",
        description="The room's name. Containers, networks and volumes begin with it: do not "
        "change it once people work here.",
    )
    address: AddressText = Field(
        "http://127.0.0.1:8000",
        description="What people open. With plain http only this machine can reach the room; give "
        "it a name and https for everyone else.",
        examples=["https://room.school.example"],
    )
    insecure_http: Flag = Field(
        False,
        description="Serve plain http to other machines too. Login links, tokens and everything "
        "that kernels print can then be read and changed by anyone on the way.",
    )
    tls: TLS = Field(TLS(), description="The certificate, when the address is https.")
    data_root: DataRoot = Field(
        Path("/var/lib/torchroom"),
        description="Where homes, datasets and the room's own state are kept. Put it on the disk "
        "that you back up.",
    )
    language: Literal["en", "zh_CN"] = Field(
        "en", description="The pages' language where a browser asks for none that there is."
    )
    engine_socket: AbsolutePath = Field(
        Path("/var/run/docker.sock"), description="The socket of the Docker Engine."
    )
    login: Login = Field(
        Login(),
        description="Who comes in. Links of `room user` always work; a provider can be added.",
    )
    limits: LimitsSection = Field(
        LimitsSection(),
        description="What one server may take where its profile says nothing. Every limit is hard.",
    )
    classes: ClassesSection = Field(
        ClassesSection(),
        description="What classes may keep on the disk, where it can hold a limit. 0: no limit.",
    )
    datasets: DatasetsSection = Field(
        DatasetsSection(),
        description="From where instructors may publish datasets, and what may be uploaded.",
    )
    host: HostSection = Field(
        HostSection(), description="What the host does at once, and what it keeps for itself."
    )
    profiles: tuple[Profile, ...] = Field(
        (),
        description="What can be started: a card each on the start page. Empty: a CPU profile, "
        "and one with a GPU where there are GPUs.",
    )
    plans: tuple[PlanSection, ...] = Field(
        (),
        description="Who may have how much, beyond what every server gets. room plan shows what "
        "holds for whom, and sets limits while the room runs, which count more than these.",
    )
    timezone: ZoneName = Field(
        "UTC",
        description="By whose midnight days, weeks and months begin, as in Europe/Berlin.",
    )
    images: Images = Field(Images(), description="What students' servers are made of.")
    mirrors: Mirrors = Field(
        Mirrors(),
        description="Where images get their packages. Empty: what this machine itself is "
        "configured to use.",
    )
    gpus: GPUs = Field(GPUs(), description="How GPUs reach a server.")

    @property
    def location(self) -> Address:
        """Return the address in its parts."""
        return parse_address(self.address)

    def profile_list(self, *, has_gpus: bool) -> list[dict[str, Any]]:
        """Return what can be started, in ``profile_list`` shape, each with its slug.

        ``has_gpus`` decides only whether the defaults have a GPU profile.
        """
        if not self.profiles:
            return default_profiles(has_gpus)
        return [profile.as_dict() for profile in self.profiles]
