"""Gathers what ``room.doctor`` judges: every effect of ``room doctor`` is in this package.

Nothing here changes the machine. What cannot be found out stays unknown.
"""

from __future__ import annotations

import time

from cli.doctor_probe import data, engine, gpus, machine, network
from cli.doctor_probe.ask import together
from room.doctor.facts import Engine, Facts, GPUs
from room.settings import Settings

#: Seconds for everything that other machines answer, and for everything else. Only what does not
#: answer takes that long.
NETWORK_DEADLINE, LOCAL_DEADLINE = 6.0, 10.0


def gather(settings: Settings, simulate_gpus: int = 0) -> Facts:
    """Return the facts about this machine, in about two seconds where everything answers."""
    site = network.site(settings)
    far = together(network.questions(settings, site), NETWORK_DEADLINE, wait=False)
    near = together(
        {
            "engine": lambda: engine.look(settings),
            "gpus": lambda: gpus.look(simulate_gpus),
            "synchronized": machine.clock_synchronized,
        },
        LOCAL_DEADLINE,
    )()
    found = near.get("engine") or engine.Looked(Engine(answer="stopped"))
    return Facts(
        engine=found.engine,
        gpus=near.get("gpus") or GPUs(simulated=simulate_gpus),
        data=data.look(settings, found),
        network=network.look(settings, found, site, far()),
        machine=machine.look(
            ahead=far().get("clock"), synchronized=near.get("synchronized"), now=time.time()
        ),
    )
