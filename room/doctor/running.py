"""Rules on the running room itself: its agent, its leases, and the units that it gives out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timezone

from room.doctor import gpu
from room.doctor.facts import Facts, GPUs
from room.doctor.finding import Finding, ok
from room.doctor.live import Live
from room.doctor.report import Report
from room.gpus.labels import label
from room.models import GPUUnit
from room.said import said
from room.settings import Settings

#: Seconds after which a comparison is too old: they come every minute, and invariant 5 allows two.
COMPARED_WITHIN = 150


def agent(live: Live) -> Iterator[Finding]:
    """The agent answers."""
    if live.host is not None:
        yield ok("agent", said("The agent answers"))
    elif live.silent:
        yield Finding(
            "agent-silent",
            "fatal",
            said("The agent does not answer the hub"),
            said(
                "No home can be opened and no GPU is given out, so no server starts. Servers that "
                "run go on. It says: %(why)s.",
                why=live.silent,
            ),
            said("sudo room logs agent says why. sudo room up starts it."),
        )


def comparison(live: Live) -> Iterator[Finding]:
    """Leases, containers and the hub's servers agree, as far as was looked lately."""
    last, problem = live.compared_at, live.compare_problem
    old = last is None or live.at - last > COMPARED_WITHIN
    if problem or old:
        yield Finding(
            "leases-not-compared",
            "warning",
            said("Leases and containers were not compared since the hub started")
            if last is None
            else said("Leases and containers were not compared since %(when)s", when=_when(last)),
            said(
                "The room does it every minute. What a crash leaves behind stays until then: a "
                "GPU may be held by nobody. It says: %(why)s.",
                why=problem,
            )
            if problem
            else said(
                "The room does it every minute. What a crash leaves behind stays until then: a "
                "GPU may be held by nobody."
            ),
            said("Wait a minute and look again. If it stays: sudo room logs hub says why."),
        )
    for server in live.doubled:
        yield Finding(
            "lease-doubled",
            "warning",
            said("%(server)s runs on a GPU that is leased to another server", server=server),
            said("Two servers use one GPU, as after an old copy of the database was put back."),
            said("Stop one of the two: sudo room gpu list shows who holds which unit."),
        )
    if not problem and not old and not live.doubled:
        yield ok("leases", said("Leases, containers and servers agree"))


def _when(at: float) -> str:
    return f"{datetime.fromtimestamp(at, timezone.utc):%Y-%m-%d %H:%M} UTC"


def marks(live: Live) -> Iterator[Finding]:
    """No unit was taken out of use for what is wrong with it."""
    for unit in whole(live.units, ("quarantined",)):
        yield Finding(
            "gpu-quarantined",
            "warning",
            said("%(unit)s (%(uuid)s) is in quarantine", unit=label(unit), uuid=unit.uuid),
            said("%(why)s. Nobody new gets it until an admin says that it is well.", why=unit.why),
            said("Mend it, then: sudo room gpu undrain %(uuid)s", uuid=unit.uuid),
        )
    drained = tuple(whole(live.units, ("drained",)))
    if drained:
        yield ok(
            "gpu-drained",
            said(
                "%(gpus)s drained: %(uuids)s", gpus=gpu.cards(len(drained)), uuids=_uuids(drained)
            ),
            said("An admin took it out of use, and gives it out again with room gpu undrain."),
        )


def health(live: Live, settings: Settings) -> Iterator[Finding]:
    """No card is lost, as the agent sees it now; of an agent that is silent all is said."""
    if live.host is not None:
        cards = tuple(whole(live.units, ("sick", "unknown")))
        yield from gpu.health(Facts(gpus=GPUs(cards=cards)), settings)


def use(live: Live) -> Iterator[Finding]:
    """It is known whose servers use which GPU."""
    if live.host is not None and live.units and live.use_problem:
        yield Finding(
            "gpu-use-unknown",
            "warning",
            said("It is not known by whom the GPUs are used"),
            said(
                "Nobody who uses more than their seat is stopped, and no server is found idle. "
                "It says: %(why)s.",
                why=live.use_problem,
            ),
            said("sudo room logs agent says more."),
        )


def unseen(live: Live, report: Report | None) -> Iterator[Finding]:
    """The agent sees every card that root saw on the host."""
    if live.host is None or report is None or live.host.gpus.problem not in ("", "not-loaded"):
        return
    here = {unit.parent or unit.uuid for unit in live.host.gpus.cards}
    gone = [unit for unit in report.facts.gpus.cards if (unit.parent or unit.uuid) not in here]
    # A room of simulated cards gives its real ones to nobody.
    if gone and not live.host.gpus.simulated:
        yield Finding(
            "gpu-unseen",
            "warning",
            said("The agent does not see %(gpus)s of this machine", gpus=gpu.cards(len(gone))),
            said(
                "room doctor saw them on the host, and no server gets them: %(uuids)s.",
                uuids=_uuids(gone),
            ),
            said("sudo room up gives the agent all cards of this machine."),
        )


def whole(units: Iterable[GPUUnit], healths: tuple[str, ...]) -> Iterator[GPUUnit]:
    """Yield the units of some healths; of the seats of one GPU that are all so, one for it."""
    told: set[str] = set()
    for unit in units:
        if unit.health in healths and unit.device not in told:
            told.add(unit.device)
            yield unit


def _uuids(units: Iterable[GPUUnit]) -> str:
    return ", ".join(unit.uuid for unit in units)
