"""Rules on the GPUs: driver, cards, toolkit, and the way from a card into a container."""

from __future__ import annotations

from collections.abc import Iterator

from room.doctor.engine import UPGRADE
from room.doctor.facts import Facts
from room.doctor.finding import Finding, Level, ok
from room.doctor.versions import WHEELS, driver_needed, fitting, older
from room.gpus.inventory import simulated
from room.gpus.labels import label
from room.gpus.memorycap import preflight
from room.gpus.seats import split
from room.models import GPUUnit
from room.settings import Settings

#: The first engine that can be asked for CDI devices.
CDI_SINCE = "25.0"
#: It writes GPUs by index and by UUID into its CDI spec; leases go by UUID.
MINIMUM_TOOLKIT = "1.15.0"
#: From this toolkit on specs are CDI 0.7.0, which engines read from 26.1 on.
CDI_07_TOOLKIT, CDI_07_ENGINE = "1.19.1", "26.1"

_DRIVER_REMEDY = (
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
            "The NVIDIA driver was upgraded, and the old one still runs",
            "Programs and the loaded kernel module are of different versions: no GPU works until "
            "they agree.",
            "sudo reboot. To keep upgrades from doing it again: sudo apt-mark hold the driver's "
            "packages, and upgrade them when you can reboot.",
        )
    elif gpus.problem == "permission":
        yield Finding(
            "gpu-permission",
            "warning",
            "The GPUs could not be looked at",
            "This user may not open /dev/nvidiactl.",
            "Run the same command with sudo.",
        )
    elif gpus.pci and not gpus.cards:
        why = f" It says: {gpus.problem}." if gpus.problem not in ("", "not-loaded") else ""
        yield Finding(
            "gpu-driver-missing",
            level(settings),
            f"This machine has {_cards(len(gpus.pci))} of NVIDIA and no driver that works",
            f"Servers run on the CPU until there is one.{why}",
            _DRIVER_REMEDY,
        )
    elif gpus.cards:
        models = ", ".join(sorted({card.model for card in gpus.cards}))
        yield ok("gpu", f"{_cards(len(gpus.cards))}: {models}; driver {gpus.driver}")
    elif gpus.simulated:
        yield ok("gpu", f"{_cards(gpus.simulated)}, simulated")
    else:
        yield ok("gpu", "No GPU: servers run on the CPU")


def _cards(count: int) -> str:
    return "1 GPU" if count == 1 else f"{count} GPUs"


def driver_age(facts: Facts, settings: Settings) -> Iterator[Finding]:
    """The driver is new enough for the image's CUDA."""
    gpus, wheel = facts.gpus, WHEELS[settings.images.cuda]
    if not gpus.cards or not gpus.driver:
        return
    capabilities = [card.compute_capability for card in gpus.cards]
    needed = driver_needed(wheel, capabilities)
    if not older(gpus.driver, needed):
        yield ok("gpu-driver", f"Driver {gpus.driver} runs {wheel.cuda} (from {needed} on)")
        return
    others = fitting(gpus.driver, capabilities)
    choice = f", or set images.cuda: {others[-1]} in room.yaml" if others else ""
    yield Finding(
        "gpu-driver-old",
        level(settings),
        f"Driver {gpus.driver} is too old for {wheel.cuda}: it needs {needed}",
        "PyTorch would find no GPU, or fail at its first use. Newer drivers run older CUDA.",
        f"Upgrade the driver{choice}. {_DRIVER_REMEDY}",
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
        f"Set images.cuda: {others[-1]} in room.yaml, then make up."
        if others
        else "No build of PyTorch 2.9 with this driver runs on all of these cards: take the old "
        "ones out, or upgrade the driver."
    )
    yield Finding(
        "gpu-unsupported",
        level(settings) if len(unfit) == len(gpus.cards) else "warning",
        f"PyTorch with {wheel.cuda} does not run on {names}",
        'It holds no machine code for it: the first use ends with "no kernel image is available".',
        remedy,
    )


def toolkit(facts: Facts, settings: Settings) -> Iterator[Finding]:
    """NVIDIA's Container Toolkit is there, and fits the engine."""
    gpus = facts.gpus
    if not gpus.cards:
        return
    if not gpus.toolkit:
        yield Finding(
            "toolkit-missing",
            level(settings),
            "NVIDIA's Container Toolkit is missing",
            "Without it no container gets a GPU; servers run on the CPU.",
            "make up installs it (package nvidia-container-toolkit).",
            prepare="gpu",
        )
    elif older(gpus.toolkit, MINIMUM_TOOLKIT):
        yield Finding(
            "toolkit-old",
            level(settings),
            f"NVIDIA's Container Toolkit {gpus.toolkit} is older than {MINIMUM_TOOLKIT}",
            "It names GPUs by index only, and an index can mean another card after a reboot.",
            "sudo apt-get install --only-upgrade nvidia-container-toolkit, then make up.",
        )
    elif _too_new(gpus.toolkit, facts.engine.version) and facts.engine.cdi_directories:
        yield Finding(
            "toolkit-new",
            "warning",
            f"Toolkit {gpus.toolkit} writes specs that engine {facts.engine.version} cannot read",
            f"They are CDI 0.7.0, which engines read from {CDI_07_ENGINE} on: GPU servers would "
            "not start.",
            UPGRADE,
        )
    else:
        yield ok("toolkit", f"NVIDIA Container Toolkit {gpus.toolkit}")


def _too_new(toolkit: str, engine: str) -> bool:
    return not older(toolkit, CDI_07_TOOLKIT) and older(engine, CDI_07_ENGINE)


def cdi(facts: Facts, settings: Settings) -> Iterator[Finding]:
    """The engine takes GPUs by name, or has the older hook."""
    engine, gpus = facts.engine, facts.gpus
    if engine.answer != "yes" or not (gpus.cards or gpus.simulated):
        return
    if engine.cdi_directories:
        yield ok("cdi", "CDI is on")
        return
    required = bool(gpus.simulated) or settings.gpus.driver == "cdi"
    if gpus.hook and not required:
        path = "GPUs are given by NVIDIA's older hook. After systemctl daemon-reload a running "
        path += "server can lose its GPU; CDI has no such trouble."
        severity: Level = "warning"
    else:
        what = "Simulated GPUs" if gpus.simulated else "GPUs"
        path = f"{what} cannot be given to servers without it."
        severity = "fatal" if required else level(settings)
    if older(engine.version, CDI_SINCE):
        yield Finding(
            "cdi-impossible",
            severity,
            f"Docker Engine {engine.version} has no CDI, which came with {CDI_SINCE}",
            path,
            'make up ARGS="--upgrade-engine --enable-cdi" (it stops and starts every container of '
            "this machine)",
        )
    else:
        yield Finding(
            "cdi-off",
            severity,
            "CDI is off in the Docker Engine",
            path,
            "make up ARGS=--enable-cdi (it restarts the engine, and with it every container of "
            "this machine)",
        )


def specs(facts: Facts, settings: Settings) -> Iterator[Finding]:
    """Every card has a name in the CDI specs."""
    gpus = facts.gpus
    if not (gpus.cards and gpus.toolkit and facts.engine.cdi_directories):
        return
    known = {name for name in gpus.cdi_names if name.startswith("nvidia.com/gpu=")}
    absent = [card for card in gpus.cards if f"nvidia.com/gpu={card.uuid}" not in known]
    if not known:
        yield Finding(
            "cdi-spec-missing",
            level(settings),
            "No CDI spec names the GPUs",
            "The engine knows no device nvidia.com/gpu: GPU servers would not start.",
            "make up writes it. By yourself: sudo nvidia-ctk cdi generate "
            "--output=/var/run/cdi/nvidia.yaml",
            prepare="gpu",
        )
    elif absent:
        yield Finding(
            "cdi-spec-stale",
            "warning",
            f"The CDI spec does not name {_cards(len(absent))} of {len(gpus.cards)}",
            f"{', '.join(card.uuid for card in absent)} came after it was written, or it names "
            "GPUs by index only: servers on them would not start.",
            "make up writes it again. By yourself: sudo systemctl restart nvidia-cdi-refresh, or "
            "sudo nvidia-ctk cdi generate --output=/var/run/cdi/nvidia.yaml",
            prepare="gpu",
        )


def runtime(facts: Facts, settings: Settings) -> Iterator[Finding]:
    """A container gets no GPU unless it is given one."""
    if facts.engine.default_runtime != "nvidia":
        return
    yield Finding(
        "runtime-nvidia",
        "warning",
        "NVIDIA's runtime is the engine's default",
        "Every container of this machine whose image says NVIDIA_VISIBLE_DEVICES=all sees every "
        "GPU. The room's own servers do not: it takes the variable back.",
        "sudo nvidia-ctk runtime configure --runtime=docker --set-as-default=false, then restart "
        "the engine when no one works.",
    )


def health(facts: Facts, settings: Settings) -> Iterator[Finding]:
    """No card is lost, and none has reported that it cannot be used."""
    for card in facts.gpus.cards:
        if not card.usable:
            yield Finding(
                "gpu-unwell",
                "warning",
                f"{label(card)} ({card.uuid}) is {card.health}",
                f"{card.why}. No server gets it until it is well.",
                "sudo dmesg | grep -i xid shows what the driver reported. Reset the GPU (sudo "
                f"nvidia-smi --gpu-reset -i {card.device}) while nothing uses it, or reboot.",
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
            "gpus.seats shares GPUs that this machine does not have",
            "A profile that asks for a seat is always refused.",
            "nvidia-smi -L shows UUIDs and models: correct gpus.seats in room.yaml.",
        )
        return
    cap = preflight(facts.gpus.driver, facts.gpus.toolkit, facts.engine.cgroup_version)
    keeper = "the driver caps" if cap.binds else f"the room watches, because {cap.why},"
    yield ok("seats", f"{len(shared)} cooperative seats; {keeper} each one's memory")


def profiles(facts: Facts, settings: Settings) -> Iterator[Finding]:
    """No profile asks for more GPUs than there are."""
    have = len(_units(facts, settings))
    asked = _asked(settings)
    if asked <= have:
        return
    yield Finding(
        "profile-gpus",
        "warning",
        f"A profile asks for {_cards(asked)}, and this machine has {have or 'none'}",
        "Its start is always refused.",
        "Lower gpus in that profile of room.yaml, or try it with ROOM_SIMULATE_GPUS="
        f"{asked} make up.",
    )
