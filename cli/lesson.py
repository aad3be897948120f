"""The first lesson as a check: its cells, and what its kernel proves afterwards. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from cli.errors import Problem

#: Where every student finds it, from the home.
PATH = "examples/01-first-lesson.ipynb"

#: The mean loss of the last steps is at most this part of the first steps' mean.
FALL = 0.9

#: What to do about a lesson that is not as the image made it.
FRESH = "See whether it works in a home of its own: room smoke --user room-smoke-2"

_MARK = "room-smoke:"

#: Run after the lesson's own cells. ``losses`` and ``device`` are the lesson's variables.
PROBE = f"""
def _room_probe():
    import glob, json, os
    import torch
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    print({_MARK!r} + json.dumps({{
        "losses": [float(loss) for loss in globals().get("losses", [])],
        "device": str(globals().get("device", "")),
        "cuda": [torch.cuda.get_device_name(i) for i in range(count)],
        "nodes": sorted(glob.glob("/dev/nvidia[0-9]*")),
        "uuids": [u for u in os.environ.get("ROOM_GPU_UUIDS", "").split(",") if u],
    }}))
_room_probe()
"""


#: Run at the end, in the guest's home only: the next start gives it the image's lesson anew.
FORGET = f"""
import pathlib
for path in ({PATH!r}, ".local/state/torchroom/examples"):
    (pathlib.Path.home() / path).unlink(missing_ok=True)
"""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a kernel says of itself after the lesson."""

    losses: tuple[float, ...]
    #: The device that the lesson trained on, as PyTorch writes it.
    device: str
    #: Names of the GPUs that PyTorch can use.
    cuda: tuple[str, ...]
    #: GPU device nodes in the container.
    nodes: tuple[str, ...]
    #: What the room says it leased.
    uuids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Promise:
    """The GPUs of a profile; simulated ones are device nodes that compute nothing."""

    gpus: int
    simulated: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether something is as it should be, in words, and what to do when it is not."""

    ok: bool
    words: str
    remedy: str = ""

    def demand(self) -> str:
        """Return the words of a good verdict; raise a bad one as ``Problem``."""
        if not self.ok:
            raise Problem(f"{self.words[:1].upper()}{self.words[1:]}.", self.remedy)
        return self.words


def code_cells(
    model: Mapping[str, Any], path: str = f"{PATH} in the home", remedy: str = FRESH
) -> list[str]:
    """Return the code cells of a notebook as the contents API gives it.

    Raises ``Problem`` when it is no notebook or has no code: then ``path`` is what is named.
    """
    content = model.get("content")
    if model.get("type") != "notebook" or not isinstance(content, Mapping):
        raise Problem(
            f"{path} is no notebook.",
            remedy,
        )
    cells = [
        "".join(cell["source"])
        for cell in content.get("cells", [])
        if cell.get("cell_type") == "code"
    ]
    cells = [cell for cell in cells if cell.strip()]
    if not cells:
        raise Problem(
            f"{path} has no code.",
            remedy,
        )
    return cells


def facts(stdout: str) -> Facts:
    """Return what the probe printed. Raises ``Problem`` when it printed nothing of the kind."""
    line = next((line for line in stdout.splitlines() if line.startswith(_MARK)), "")
    if not line:
        raise Problem("The kernel did not say what the lesson did.", "See room logs.")
    found = json.loads(line.removeprefix(_MARK))
    return Facts(
        losses=tuple(found["losses"]),
        device=found["device"],
        cuda=tuple(found["cuda"]),
        nodes=tuple(found["nodes"]),
        uuids=tuple(found["uuids"]),
    )


def judge_loss(losses: Sequence[float]) -> Verdict:
    """Say whether training learned something: the mean of the last tenth against the first's."""
    if len(losses) < 2:
        return Verdict(
            False,
            f"the lesson left {len(losses)} losses in its variable losses, too few to compare",
            "The image's first lesson keeps the loss of each step there.",
        )
    if not all(map(math.isfinite, losses)):
        return Verdict(False, "a loss is not a finite number", "Look at the lesson's data.")
    part = max(1, len(losses) // 10)
    first, last = fmean(losses[:part]), fmean(losses[-part:])
    words = f"{first:.3f} → {last:.3f} in {len(losses)} steps"
    if last > FALL * first:
        return Verdict(
            False, f"the loss did not fall ({words})", "The training in the lesson does not learn."
        )
    return Verdict(True, words)


def judge_device(promise: Promise, seen: Facts) -> Verdict:
    """Say whether the server has the GPUs that its profile promises, no fewer and no more."""
    for count, what in ((len(seen.uuids), "leased GPUs"), (len(seen.nodes), "GPU device nodes")):
        if count != promise.gpus:
            return Verdict(
                False,
                f"the profile promises {promise.gpus} GPUs, the server has {count} {what}",
                "Compare nvidia-smi -L with the state's inventory.json: room doctor",
            )
    if promise.gpus == 0 or promise.simulated:
        return _judge_cpu(promise, seen)
    if len(seen.cuda) != promise.gpus or not seen.device.startswith("cuda"):
        return Verdict(
            False,
            f"the profile promises {promise.gpus} GPUs, PyTorch can use {len(seen.cuda)} "
            f"and the lesson trained on {seen.device or 'an unknown device'}",
            "Driver and image must fit each other: room doctor",
        )
    return Verdict(True, f"{seen.device}: {', '.join(seen.cuda)}")


def _judge_cpu(promise: Promise, seen: Facts) -> Verdict:
    if seen.cuda or seen.device != "cpu":
        return Verdict(
            False,
            f"the profile promises no GPU that computes, but the lesson trained on "
            f"{seen.device or 'an unknown device'}",
            "The engine's default runtime must not be nvidia: room doctor",
        )
    if promise.gpus:
        return Verdict(True, f"cpu, with {', '.join(seen.nodes)} as simulated GPU")
    return Verdict(True, "cpu, and no GPU device in sight")
