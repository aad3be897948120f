"""What must hold between keys of ``room.yaml``, and what is allowed but should be known. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from room.settings import plans, profiles
from room.settings.problems import KeyPath
from room.settings.schema import TLS, GPUs, OAuth, Settings
from room.settings.values import parse_address
from room.values import format_size

Finding = tuple[KeyPath, str]

INSECURE = (
    "insecure_http is on: the room is served without encryption. Login links, tokens, files and "
    "everything that kernels print can be read and changed by anyone between a student and this "
    "machine, and browsers withhold the clipboard, notifications and service workers. For a real "
    "class use https: tls.mode internal needs no public name."
)


def problems(settings: Settings) -> Iterator[Finding]:
    """Yield every rule that is broken, with the key to correct."""
    yield from _http(settings)
    yield from _tls(settings)
    yield from _limits(settings)
    if settings.login.oauth is not None:
        yield from _oauth(settings.login.oauth)
    yield from profiles.problems(settings.profiles)
    yield from _seats(settings.gpus)
    yield from plans.problems(settings.plans, _profile_names(settings))


def _http(settings: Settings) -> Iterator[Finding]:
    where = settings.location
    if where.scheme == "http" and not where.is_loopback and not settings.insecure_http:
        yield (
            ("address",),
            f"plain http to {where.host} would send passwords and tokens readable over the "
            "network: use https (see tls), or http://127.0.0.1:8000 for this machine alone, or set "
            "insecure_http: true to accept that",
        )


def _tls(settings: Settings) -> Iterator[Finding]:
    where, tls = settings.location, settings.tls
    if where.scheme != "https":
        return
    if tls.mode == "files":
        for key in ("certificate", "key"):
            if getattr(tls, key) is None:
                yield ("tls", key), "tls.mode files needs both tls.certificate and tls.key"
    elif tls.mode == "acme" and not where.is_public_name:
        yield (
            ("tls", "mode"),
            f"{where.host} is no public name, and acme signs only those: use mode internal, or "
            "mode files with a certificate of your own",
        )
    if tls.mode == "acme" and tls.email and "@" not in tls.email:
        yield ("tls", "email"), f"{tls.email!r} is no e-mail address"


def _limits(settings: Settings) -> Iterator[Finding]:
    limits = settings.limits
    if limits.shm > limits.memory:
        yield (
            ("limits", "shm"),
            f"shared memory counts as memory, and {format_size(limits.shm)} is more than the "
            f"{format_size(limits.memory)} of limits.memory",
        )


def _profile_names(settings: Settings) -> list[str]:
    """Return the short names of the profiles; whether there are GPUs is not known here."""
    return [str(profile["slug"]) for profile in settings.profile_list(has_gpus=True)]


def _seats(gpus: GPUs) -> Iterator[Finding]:
    shared: set[str | int] = set()
    for index, rule in enumerate(gpus.seats):
        here: KeyPath = ("gpus", "seats", index)
        if bool(rule.gpus) == bool(rule.model):
            yield (
                here,
                "say which GPUs are shared: by gpus or by model, one of the two",
            )
        for gpu in rule.gpus:
            if gpu in shared:
                yield (*here, "gpus"), f"{gpu} is shared already: name each GPU once"
            shared.add(gpu)


def _oauth(oauth: OAuth) -> Iterator[Finding]:
    here: KeyPath = ("login", "oauth")
    if oauth.provider == "oidc" and not oauth.issuer:
        yield (*here, "issuer"), "oidc needs the address of the provider"
    if oauth.provider in ("github", "google") and oauth.issuer:
        yield (*here, "issuer"), f"{oauth.provider} has one address only: leave issuer out"
    if oauth.issuer.startswith("http://") and not _on_loopback(oauth.issuer):
        yield (
            (*here, "issuer"),
            "the provider must be reached by https; who is in between could log in as anyone",
        )
    if oauth.provider != "github" and oauth.allowed_organizations:
        yield (*here, "allowed_organizations"), "only github has organizations"
    if oauth.allowed_groups and oauth.provider in ("github", "google"):
        yield (*here, "allowed_groups"), f"{oauth.provider} tells no groups"
    if oauth.allowed_domains and oauth.provider in ("github", "gitlab"):
        yield (*here, "allowed_domains"), f"{oauth.provider} vouches for no address"
    if oauth.provider == "oidc" and oauth.allowed_groups and not oauth.groups_claim:
        yield (*here, "groups_claim"), "allowed_groups needs the claim that lists a person's groups"
    if oauth.provider != "oidc" and (oauth.username_claim or oauth.groups_claim):
        key = "username_claim" if oauth.username_claim else "groups_claim"
        yield (*here, key), f"{oauth.provider} has claims of its own: only oidc takes this key"
    if not (oauth.allow_all or _named(oauth)):
        yield (
            here,
            "nobody of the provider may come in: name them in allowed_users, allowed_groups, "
            "allowed_organizations or allowed_domains, or set allow_all: true",
        )


def _named(oauth: OAuth) -> bool:
    return bool(
        oauth.allowed_users
        or oauth.allowed_groups
        or oauth.allowed_organizations
        or oauth.allowed_domains
    )


def _on_loopback(url: str) -> bool:
    """Say whether a URL with a path is on loopback."""
    scheme, _, rest = url.partition("://")
    try:
        return parse_address(f"{scheme}://{rest.partition('/')[0]}").is_loopback
    except ValueError:
        return False


def settings_warnings(settings: Settings) -> list[str]:
    """Return what is allowed and should be known, a sentence or two each."""
    return [message for _path, message in warnings(settings)]


def warnings(settings: Settings) -> Iterator[Finding]:
    """Yield what is allowed and should be known, with its key."""
    where, tls = settings.location, settings.tls
    if where.scheme == "http" and not where.is_loopback:
        yield ("insecure_http",), INSECURE
    if where.scheme == "http" and tls != TLS():
        yield ("tls",), "tls has no effect: the address is http."
    if where.scheme == "https" and tls.mode == "internal":
        yield (
            ("tls", "mode"),
            "Browsers warn about the room's own certificate authority until it is installed on "
            "each of them: docs/how-to says how.",
        )
    if where.scheme == "https" and tls.mode == "acme" and where.port != 443:
        yield (
            ("address",),
            f"An ACME authority knocks on ports 80 and 443, and the room listens on {where.port}: "
            "forward one of them to this machine.",
        )
    if where.scheme == "https" and tls.mode != "files" and (tls.certificate or tls.key):
        yield ("tls",), f"tls.certificate and tls.key have no effect in mode {tls.mode}."
    if str(settings.data_root).startswith(("/tmp/", "/var/tmp/")):  # noqa: S108
        yield (
            ("data_root",),
            f"{settings.data_root} is in a directory that the system may empty at reboot: homes "
            "would be lost.",
        )
    if not settings.gpus.seats and any(map(profiles.asks_for_seat, settings.profiles)):
        yield (
            ("gpus", "seats"),
            "A profile asks for a seat of a shared GPU, and gpus.seats shares none: its start is "
            "always refused.",
        )
    if not settings.login.admins:
        yield ("login", "admins"), "There is no admin: nobody can see all servers in the hub."
    oauth = settings.login.oauth
    if oauth is not None and oauth.allow_all and oauth.provider in ("github", "google"):
        yield (
            ("login", "oauth", "allow_all"),
            f"Everyone in the world with a {oauth.provider} account can come in and use your GPUs.",
        )
