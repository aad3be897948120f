"""Rules on the GPUs: driver, cards, toolkit, and the way from a card into a container."""

from __future__ import annotations

from collections.abc import Iterator

from room.doctor.facts import Facts
from room.doctor.finding import Finding, Level, ok
from room.doctor.versions import WHEELS, driver_needed, fitting, older
from room.gpus.inventory import simulated
from room.gpus.labels import label
from room.gpus.memorycap import preflight
from room.gpus.seats import split
from room.models import GPUUnit
from room.said import said
from room.settings import Settings

_DRIVER_REMEDY = said(
    "Debian: sudo apt-get install nvidia-driver (component non-free). Ubuntu: sudo ubuntu-drivers "
    "install. Then reboot."
)


def level(settings: Settings) -> Level:
    """Say how bad it is when no GPU can be used: without a GPU profile the CPU still works."""
    return "fatal" if _asked(settings) else "warning"


def _asked(settings: Settings) -> int:
    """Return the most GPUs that a profile of room.yaml asks for."""
    found = [0]
    for profile in settings.profiles:
        overrides = [profile.spawner_override]
        for option in profile.profile_options.values():
            overrides += [choice.spawner_override for choice in option.choices.values()]
        found += [override.gpus or 0 for override in overrides]
    return max(found)


def driver(facts: Facts, settings: Settings) -> Iterator[Finding]:
    """There is a driver for the cards, and it answers."""
    gpus = facts.gpus
    if gpus.problem == "mismatch":
        yield Finding(
            "gpu-driver-mismatch",
            level(settings),
            said("The NVIDIA driver was upgraded, and the old one still runs"),
            said(
                "Programs and the loaded kernel module are of different versions: no GPU works "
                "until they agree."
            ),
            said(
                "sudo reboot. To keep upgrades from doing it again: sudo apt-mark hold the "
                "driver's packages, and upgrade them when you can reboot."
            ),
        )
    elif gpus.problem == "permission":
        yield Finding(
            "gpu-permission",
            "warning",
            said("The GPUs could not be looked at"),
            said("This user may not open /dev/nvidiactl."),
            said("Run the same command with sudo."),
        )
    elif gpus.pci and not gpus.cards:
        told = gpus.problem not in ("", "not-loaded")
        yield Finding(
            "gpu-driver-missing",
            level(settings),
            said(
                "This machine has %(count)s of NVIDIA and no driver that works",
                count=cards(len(gpus.pci)),
            ),
            said("Servers run on the CPU until there is one. It says: %(why)s.", why=gpus.problem)
            if told
            else said("Servers run on the CPU until there is one."),
            _DRIVER_REMEDY,
        )
    elif gpus.cards:
        models = ", ".join(sorted({card.model for card in gpus.cards}))
        yield ok(
            "gpu",
            said(
                "%(count)s: %(models)s; driver %(driver)s",
                count=cards(len(gpus.cards)),
                models=models,
                driver=gpus.driver,
            ),
        )
    elif gpus.simulated:
        yield ok("gpu", said("%(simulated)s, simulated", simulated=cards(gpus.simulated)))
    else:
        yield ok("gpu", said("No GPU: servers run on the CPU"))


def cards(count: int) -> str:
    """Say how many GPUs."""
    return said("1 GPU") if count == 1 else said("%(count)s GPUs", count=count)


def driver_age(facts: Facts, settings: Settings) -> Iterator[Finding]:
    """The driver is new enough for the image's CUDA."""
    gpus, wheel = facts.gpus, WHEELS[settings.images.cuda]
    if not gpus.cards or not gpus.driver:
        return
    capabilities = [card.compute_capability for card in gpus.cards]
    needed = driver_needed(wheel, capabilities)
    if not older(gpus.driver, needed):
        yield ok(
            "gpu-driver",
            said(
                "Driver %(driver)s runs %(cuda)s (from %(needed)s on)",
                driver=gpus.driver,
                cuda=wheel.cuda,
                needed=needed,
            ),
        )
        return
    others = fitting(gpus.driver, capabilities)
    yield Finding(
        "gpu-driver-old",
        level(settings),
        said(
            "Driver %(driver)s is too old for %(cuda)s: it needs %(needed)s",
            driver=gpus.driver,
            cuda=wheel.cuda,
            needed=needed,
        ),
        said("PyTorch would find no GPU, or fail at its first use. Newer drivers run older CUDA."),
        said(
            "Upgrade the driver, or set images.cuda: %(cuda)s in room.yaml. %(how)s",
            cuda=others[-1],
            how=_DRIVER_REMEDY,
        )
        if others
        else said("Upgrade the driver. %(how)s", how=_DRIVER_REMEDY),
    )


def architecture(facts: Facts, settings: Settings) -> Iterator[Finding]:
    """Every card can run the machine code in the image's PyTorch."""
    gpus, wheel = facts.gpus, WHEELS[settings.images.cuda]
    unfit = [card for card in gpus.cards if not wheel.runs_on(card.compute_capability)]
    if not unfit:
        return
    names = ", ".join(
        f"{card.model} (compute capability {card.compute_capability})" for card in unfit
    )
    others = fitting(gpus.driver, [card.compute_capability for card in gpus.cards])
    remedy = (
        said("Set images.cuda: %(cuda)s in room.yaml, then make up.", cuda=others[-1])
        if others
        else said(
            "No build of PyTorch 2.9 with this driver runs on all of these cards: take the old "
            "ones out, or upgrade the driver."
        )
    )
    yield Finding(
        "gpu-unsupported",
        level(settings) if len(unfit) == len(gpus.cards) else "warning",
        said("PyTorch with %(cuda)s does not run on %(names)s", cuda=wheel.cuda, names=names),
        said(
            'It holds no machine code for it: the first use ends with "no kernel image is '
            'available".'
        ),
        remedy,
    )


def health(facts: Facts, settings: Settings) -> Iterator[Finding]:
    """No card is lost, and none has reported that it cannot be used."""
    for card in facts.gpus.cards:
        if not card.usable:
            yield Finding(
                "gpu-unwell",
                "warning",
                said(
                    "%(card)s (%(uuid)s) is %(health)s",
                    card=label(card),
                    uuid=card.uuid,
                    health=said(card.health),
                ),
                said("%(why)s. No server gets it until it is well.", why=card.why),
                said(
                    "sudo dmesg | grep -i xid shows what the driver reported. Reset the GPU (sudo "
                    "nvidia-smi --gpu-reset -i %(device)s) while nothing uses it, or reboot.",
                    device=card.device,
                ),
            )


def _units(facts: Facts, settings: Settings) -> tuple[GPUUnit, ...]:
    """Return the units that the room will have."""
    cards = simulated(facts.gpus.simulated).units if facts.gpus.simulated else facts.gpus.cards
    return split(cards, settings.gpus.sharing)


def seats(facts: Facts, settings: Settings) -> Iterator[Finding]:
    """The GPUs that are to be shared are there; and who keeps their users apart."""
    if not settings.gpus.seats:
        return
    shared = [unit for unit in _units(facts, settings) if unit.kind == "seat"]
    if not shared:
        yield Finding(
            "seats-none",
            "warning",
            said("gpus.seats shares GPUs that this machine does not have"),
            said("A profile that asks for a seat is always refused."),
            said("nvidia-smi -L shows UUIDs and models: correct gpus.seats in room.yaml."),
        )
        return
    cap = preflight(facts.gpus.driver, facts.gpus.toolkit, facts.engine.cgroup_version)
    yield ok(
        "seats",
        said(
            "%(count)s cooperative seats; the driver caps each one's memory",
            count=len(shared),
        )
        if cap.binds
        else said(
            "%(count)s cooperative seats; the room watches, because %(why)s, each one's memory",
            count=len(shared),
            why=cap.why,
        ),
    )


def profiles(facts: Facts, settings: Settings) -> Iterator[Finding]:
    """No profile asks for more GPUs than there are."""
    have = len(_units(facts, settings))
    asked = _asked(settings)
    if asked <= have:
        return
    yield Finding(
        "profile-gpus",
        "warning",
        said(
            "A profile asks for %(asked)s, and this machine has %(have)s",
            asked=cards(asked),
            have=have or said("none"),
        ),
        said("Its start is always refused."),
        said(
            "Lower gpus in that profile of room.yaml, or try it with ROOM_SIMULATE_GPUS=%(asked)s "
            "make up.",
            asked=asked,
        ),
    )
