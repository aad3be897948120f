"""What every benchmark shares: taking turns, summing up, and the result file."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

T = TypeVar("T")

RESULTS = Path(__file__).parent / "results"

#: The contenders of every benchmark, by the keys of a result.
OURS, PEER, LIMIT = "ours", "peer", "limit"
#: The peer once more, on our image: only in ``runs``.
SAME_IMAGE = "peer, our image"


@dataclass(frozen=True, slots=True)
class Result:
    """One row of a result file. Smaller is better in all of them.

    ``ours``, ``peer`` and ``limit`` are medians of ``runs``, or the worst where
    one bad run counts; None where a contender has no figure. ``ratio`` is
    peer ÷ ours. ``target`` is what ours should stay below or at.
    """

    name: str
    unit: str
    ours: float | None
    peer: float | None
    limit: float | None
    ratio: float | None
    target: float | None
    met: bool | None
    #: Every single figure, by contender.
    runs: Mapping[str, Sequence[float]]
    machine: Mapping[str, Any]


def summarize(
    name: str,
    unit: str,
    runs: Mapping[str, Sequence[float]],
    machine: Mapping[str, Any],
    *,
    times_limit: float | None = None,
    target: float | None = None,
    of: Callable[[Sequence[float]], float] = median,
) -> Result:
    """Return the row for ``runs``, summed up by ``of``.

    The target is ``times_limit`` times the limit, or else ``target``.
    """
    middle = {who: of(figures) if figures else None for who, figures in runs.items()}
    ours, peer, limit = (middle.get(who) for who in (OURS, PEER, LIMIT))
    if times_limit is not None:
        target = None if limit is None else limit * times_limit
    return Result(
        name=name,
        unit=unit,
        ours=_rounded(ours),
        peer=_rounded(peer),
        limit=_rounded(limit),
        ratio=_rounded(peer / ours) if peer is not None and ours else None,
        target=_rounded(target),
        met=None if ours is None or target is None else ours <= target,
        runs={who: [round(figure, 4) for figure in figures] for who, figures in runs.items()},
        machine=machine,
    )


def _rounded(figure: float | None) -> float | None:
    return None if figure is None else round(figure, 4)


def turns(contenders: Sequence[T], rounds: int) -> Iterator[Sequence[T]]:
    """Yield the order of each round: everyone is first, second and last equally often.

    What drifts while a run lasts (a warming machine, someone else's load) then
    meets all contenders alike.
    """
    for number in range(rounds):
        start = number % len(contenders)
        order = [*contenders[start:], *contenders[:start]]
        yield order if number // len(contenders) % 2 == 0 else order[::-1]


def write(name: str, results: Sequence[Result], directory: Path = RESULTS) -> Path:
    """Write ``<name>.json`` and return where it is."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{name}.json"
    path.write_text(json.dumps([asdict(result) for result in results], indent=2) + "\n")
    return path


def machine(*packages: str) -> dict[str, Any]:
    """Return what the figures depend on: processor, memory, kernel, engine, load, versions."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory / 1024**3, 1),
        "kernel": platform.release(),
        "engine": _first_line("docker", "version", "--format={{.Server.Version}}"),
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
        "packages": {package: version(package) for package in packages},
    }


def busy_seconds() -> float:
    """Return the CPU-seconds that all of this machine's processes have taken since its boot."""
    user, nice, system, _idle, _iowait, irq, softirq, *_ = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    )
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _first_line(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout.strip().splitlines() or ["unknown"])[0]
