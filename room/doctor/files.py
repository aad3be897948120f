"""Rules on the files that room.yaml names: certificate, key, secrets, certificate authority."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone

from room.doctor.facts import Certificate, Facts
from room.doctor.finding import Finding, ok
from room.said import said
from room.settings import Settings

DAY = 24 * 3600
#: Long enough before the end to order another one.
RENEW_BEFORE = 21 * DAY


def named_files(facts: Facts, settings: Settings) -> Iterator[Finding]:
    """What room.yaml names can be read."""
    for key, why in facts.data.unreadable:
        yield Finding(
            "file-unreadable",
            "fatal",
            said(
                "%(key)s in room.yaml names a file that cannot be used: %(why)s", key=key, why=why
            ),
            said("The room would not start, or not let people in by it."),
            said("Put the file there, readable by root, or correct %(key)s in room.yaml.", key=key),
        )


def certificate(facts: Facts, settings: Settings) -> Iterator[Finding]:
    """The site's own certificate is for this name, valid, and belongs to the key."""
    found = facts.data.certificate
    if found is None:
        return
    if found.problem or found.key_problem:
        yield Finding(
            "certificate-unreadable",
            "fatal",
            said(
                "The certificate cannot be used: %(problem)s",
                problem=found.problem or found.key_problem,
            ),
            said("Nobody could open the room over https."),
            said(
                "tls.certificate must be the certificate and those that signed it, tls.key its "
                "private key without a password; both PEM."
            ),
        )
        return
    troubles = [*_pair(found), *_validity(found, facts.machine.now), *_names(found, settings)]
    yield from troubles
    if not troubles:
        yield ok(
            "certificate",
            said("The certificate for %(host)s is valid", host=settings.location.host),
        )


def _pair(found: Certificate) -> Iterator[Finding]:
    if found.key_fits is False:
        yield Finding(
            "certificate-key",
            "fatal",
            said("tls.key is not the key of tls.certificate"),
            said("Nobody could open the room over https."),
            said(
                "Take the two files that were made together. The certificate for the name must be "
                "the first one in its file, before those that signed it."
            ),
        )
    if found.key_mode is not None and found.key_mode & 0o007:
        yield Finding(
            "certificate-key-open",
            "fatal",
            said(
                "Every user of this machine may read the private key (mode %(mode)s)",
                mode=f"{found.key_mode:o}",
            ),
            said("Who has it can pose as the room and read every login."),
            said(
                "sudo chmod 600 the file of tls.key. If strangers have accounts here, have a new "
                "certificate made."
            ),
        )


def _validity(found: Certificate, now: float) -> Iterator[Finding]:
    if found.not_after is None:
        return
    day = datetime.fromtimestamp(found.not_after, tz=timezone.utc).date().isoformat()
    if found.not_after <= now:
        yield Finding(
            "certificate-expired",
            "fatal",
            said("The certificate ended on %(day)s", day=day),
            said("Every browser refuses the room."),
            said("Have it renewed, replace the files of tls.certificate and tls.key, and make up."),
        )
    elif found.not_after - now < RENEW_BEFORE:
        yield Finding(
            "certificate-ending",
            "warning",
            said(
                "The certificate ends on %(day)s, in %(days)s days",
                day=day,
                days=int((found.not_after - now) // DAY),
            ),
            said("From then on every browser refuses the room."),
            said(
                "Have it renewed, replace the files of tls.certificate and tls.key, and make up. "
                "tls.mode acme renews by itself."
            ),
        )


def _names(found: Certificate, settings: Settings) -> Iterator[Finding]:
    host = settings.location.host
    if not found.names or any(covers(name, host) for name in found.names):
        return
    yield Finding(
        "certificate-name",
        "fatal",
        said("The certificate is not for %(host)s", host=host),
        said(
            "It is for %(names)s: every browser warns of an attack.",
            names=", ".join(found.names[:5]),
        ),
        said(
            "Have one made for %(host)s, or set address in room.yaml to a name that it has.",
            host=host,
        ),
    )


def covers(name: str, host: str) -> bool:
    """Say whether a certificate's name is for a host; ``*`` stands for one label, the first."""
    name, host = name.lower().rstrip("."), host.lower().rstrip(".")
    if name == host:
        return True
    first, _, rest = host.partition(".")
    return bool(first and rest) and name == f"*.{rest}"
