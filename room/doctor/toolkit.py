"""Rules on the way from a card into a container: NVIDIA's toolkit, CDI, and its specs."""

from __future__ import annotations

from collections.abc import Iterator

from room.doctor.engine import UPGRADE
from room.doctor.facts import Facts
from room.doctor.finding import Finding, Level, ok
from room.doctor.gpu import cards, level
from room.doctor.versions import older
from room.said import said
from room.settings import Settings

#: The first engine that can be asked for CDI devices.
CDI_SINCE = "25.0"
#: It writes GPUs by index and by UUID into its CDI spec; leases go by UUID.
MINIMUM_TOOLKIT = "1.15.0"
#: From this toolkit on specs are CDI 0.7.0, which engines read from 26.1 on.
CDI_07_TOOLKIT, CDI_07_ENGINE = "1.19.1", "26.1"


def toolkit(facts: Facts, settings: Settings) -> Iterator[Finding]:
    """NVIDIA's Container Toolkit is there, and fits the engine."""
    gpus = facts.gpus
    if not gpus.cards:
        return
    if not gpus.toolkit:
        yield Finding(
            "toolkit-missing",
            level(settings),
            said("NVIDIA's Container Toolkit is missing"),
            said("Without it no container gets a GPU; servers run on the CPU."),
            said("make up installs it (package nvidia-container-toolkit)."),
            prepare="gpu",
        )
    elif older(gpus.toolkit, MINIMUM_TOOLKIT):
        yield Finding(
            "toolkit-old",
            level(settings),
            said(
                "NVIDIA's Container Toolkit %(toolkit)s is older than %(minimum)s",
                toolkit=gpus.toolkit,
                minimum=MINIMUM_TOOLKIT,
            ),
            said("It names GPUs by index only, and an index can mean another card after a reboot."),
            said("sudo apt-get install --only-upgrade nvidia-container-toolkit, then make up."),
        )
    elif _too_new(gpus.toolkit, facts.engine.version) and facts.engine.cdi_directories:
        yield Finding(
            "toolkit-new",
            "warning",
            said(
                "Toolkit %(toolkit)s writes specs that engine %(version)s cannot read",
                toolkit=gpus.toolkit,
                version=facts.engine.version,
            ),
            said(
                "They are CDI 0.7.0, which engines read from %(engine)s on: GPU servers "
                "would not start.",
                engine=CDI_07_ENGINE,
            ),
            UPGRADE,
        )
    else:
        yield ok("toolkit", said("NVIDIA Container Toolkit %(toolkit)s", toolkit=gpus.toolkit))


def _too_new(toolkit: str, engine: str) -> bool:
    return not older(toolkit, CDI_07_TOOLKIT) and older(engine, CDI_07_ENGINE)


def cdi(facts: Facts, settings: Settings) -> Iterator[Finding]:
    """The engine takes GPUs by name, or has the older hook."""
    engine, gpus = facts.engine, facts.gpus
    if engine.answer != "yes" or not (gpus.cards or gpus.simulated):
        return
    if engine.cdi_directories:
        yield ok("cdi", said("CDI is on"))
        return
    required = bool(gpus.simulated) or settings.gpus.driver == "cdi"
    if gpus.hook and not required:
        path = said(
            "GPUs are given by NVIDIA's older hook. After systemctl daemon-reload a running "
            "server can lose its GPU; CDI has no such trouble."
        )
        severity: Level = "warning"
    else:
        path = (
            said("Simulated GPUs cannot be given to servers without it.")
            if gpus.simulated
            else said("GPUs cannot be given to servers without it.")
        )
        severity = "fatal" if required else level(settings)
    if older(engine.version, CDI_SINCE):
        yield Finding(
            "cdi-impossible",
            severity,
            said(
                "Docker Engine %(version)s has no CDI, which came with %(since)s",
                version=engine.version,
                since=CDI_SINCE,
            ),
            path,
            said(
                'make up ARGS="--upgrade-engine --enable-cdi" (it stops and starts every container '
                "of this machine)"
            ),
        )
    else:
        yield Finding(
            "cdi-off",
            severity,
            said("CDI is off in the Docker Engine"),
            path,
            said(
                "make up ARGS=--enable-cdi (it restarts the engine, and with it every container of "
                "this machine)"
            ),
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
            said("No CDI spec names the GPUs"),
            said("The engine knows no device nvidia.com/gpu: GPU servers would not start."),
            said(
                "make up writes it. By yourself: sudo nvidia-ctk cdi generate "
                "--output=/var/run/cdi/nvidia.yaml"
            ),
            prepare="gpu",
        )
    elif absent:
        yield Finding(
            "cdi-spec-stale",
            "warning",
            said(
                "The CDI spec does not name %(count)s of %(total)s",
                count=cards(len(absent)),
                total=len(gpus.cards),
            ),
            said(
                "%(absent)s came after it was written, or it names GPUs by index only: servers on "
                "them would not start.",
                absent=", ".join(card.uuid for card in absent),
            ),
            said(
                "make up writes it again. By yourself: sudo systemctl restart nvidia-cdi-refresh, "
                "or sudo nvidia-ctk cdi generate --output=/var/run/cdi/nvidia.yaml"
            ),
            prepare="gpu",
        )


def runtime(facts: Facts, settings: Settings) -> Iterator[Finding]:
    """A container gets no GPU unless it is given one."""
    if facts.engine.default_runtime != "nvidia":
        return
    yield Finding(
        "runtime-nvidia",
        "warning",
        said("NVIDIA's runtime is the engine's default"),
        said(
            "Every container of this machine whose image says NVIDIA_VISIBLE_DEVICES=all sees "
            "every GPU. The room's own servers do not: it takes the variable back."
        ),
        said(
            "sudo nvidia-ctk runtime configure --runtime=docker --set-as-default=false, then "
            "restart the engine when no one works."
        ),
    )
