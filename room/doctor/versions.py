"""Version numbers, and what CUDA asks of drivers and cards. Pure.

Sources: NVIDIA's CUDA release notes (drivers of each toolkit) and compatibility
guide (floors of minor-version compatibility); PyTorch 2.9's build matrix
(architectures in the wheels).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass


def version(text: str) -> tuple[int, ...]:
    """Return the leading numbers of a version: ``26.1.5+dfsg1`` is (26, 1, 5)."""
    match = re.match(r"\D*(\d+(?:\.\d+)*)", text)
    return tuple(int(part) for part in match[1].split(".")) if match else ()


def older(text: str, than: str) -> bool:
    """Say whether a version is older than another; one that cannot be read is not."""
    left, right = version(text), version(than)
    width = max(len(left), len(right))
    return bool(left) and _padded(left, width) < _padded(right, width)


def _padded(numbers: tuple[int, ...], width: int) -> tuple[int, ...]:
    return numbers + (0,) * (width - len(numbers))


@dataclass(frozen=True, slots=True)
class Wheel:
    """A build of PyTorch 2.9."""

    cuda: str
    #: The oldest driver that runs any toolkit of this major version.
    floor: str
    #: The driver that the toolkit itself came with: PTX needs it to be compiled.
    driver: str
    #: Architectures that it holds machine code for, as compute capability times ten.
    machine_code: tuple[int, ...]
    #: The architecture of its PTX, which newer cards compile themselves; 0 for none.
    ptx: int = 0

    def runs_on(self, capability: str) -> bool:
        """Say whether a card of this compute capability can run it.

        Machine code runs on later cards of the same major version only. A
        capability that cannot be read is not held against the card.
        """
        numbers = version(capability)
        if len(numbers) < 2:
            return True
        major, minor = numbers[:2]
        wanted = major * 10 + minor
        if any(code // 10 == major and code % 10 <= minor for code in self.machine_code):
            return True
        return bool(self.ptx) and self.ptx <= wanted


WHEELS = {
    wheel.cuda: wheel
    for wheel in (
        Wheel("cu126", "525.60.13", "560.28.03", (50, 60, 70, 75, 80, 86, 90)),
        Wheel("cu128", "525.60.13", "570.26", (70, 75, 80, 86, 90, 100, 120)),
        Wheel("cu130", "580.65.06", "580.65.06", (75, 80, 86, 90, 100, 120), ptx=120),
    )
}
#: No driver before it knows Blackwell, whatever the toolkit.
BLACKWELL_DRIVER = "570.26"


def driver_needed(wheel: Wheel, capabilities: Iterable[str]) -> str:
    """Return the oldest driver on which these cards can run this build."""
    blackwell = any(version(capability) >= (10, 0) for capability in capabilities)
    if blackwell and older(wheel.floor, BLACKWELL_DRIVER):
        return BLACKWELL_DRIVER
    return wheel.floor


def fitting(driver: str, capabilities: Iterable[str]) -> list[str]:
    """Return the builds that every one of these cards can run with this driver."""
    cards = tuple(capabilities)
    return [
        cuda
        for cuda, wheel in WHEELS.items()
        if all(wheel.runs_on(card) for card in cards)
        and not older(driver, driver_needed(wheel, cards))
    ]
