"""python -m bench: run the benchmarks, write their results, print the table."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import TypeAlias

from bench import (
    class_start,
    console_pages,
    datasets,
    ends,
    harness,
    hub_costs,
    lanes,
    many_starts,
    queue,
    queue_durable,
    report,
    stock_image,
)
from bench.harness import Result
from cli.errors import Problem
from engine import images
from room.settings import Settings

#: Load above which someone else is at work on this machine.
BUSY = 0.5

Say: TypeAlias = Callable[[str], None]
#: Runs one benchmark. Raises ``Problem``, and ``FileNotFoundError`` without what it reads.
Bench: TypeAlias = Callable[[argparse.Namespace, Say], list[Result]]


def _class_start(options: argparse.Namespace, say: Say) -> list[Result]:
    settings = Settings()
    tags = images.ensure(settings, progress=say)
    return class_start.measure(
        class_start.contenders(tags, stock_image.ensure(settings, say), settings.engine_socket),
        singles=options.singles,
        storms=options.storms,
        students=options.students,
        say=say,
    )


def _stub_image(say: Say) -> str:
    """Return an image with Python in it, for servers that only answer."""
    return images.ensure(Settings(), ["room"], progress=say)["room"]


def _hub_images(say: Say) -> Mapping[str, str]:
    return images.ensure(Settings(), ["room", "proxy"], progress=say)


#: In the order in which they run.
BENCHES: Mapping[str, Bench] = {
    queue.NAME: lambda _options, say: queue.measure(say),
    queue_durable.NAME: lambda _options, say: queue_durable.measure(say),
    lanes.NAME: lambda _options, say: lanes.measure(_stub_image(say), say),
    ends.NAME: lambda _options, say: ends.measure(_stub_image(say), say),
    datasets.NAME: lambda _options, say: datasets.measure(_stub_image(say), say),
    console_pages.NAME: lambda _options, say: console_pages.measure(say),
    many_starts.NAME: lambda options, say: many_starts.measure(
        _hub_images(say), say, sizes=options.sizes
    ),
    hub_costs.NAME: lambda options, say: hub_costs.measure(
        _hub_images(say), say, servers=options.servers, idle=options.idle
    ),
    class_start.NAME: _class_start,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    every = ", ".join(BENCHES)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"only these of {every}")
    parser.add_argument("--singles", type=int, default=20, help="single starts of each (20)")
    parser.add_argument("--storms", type=int, default=5, help="starts of a whole class (5)")
    parser.add_argument("--students", type=int, default=20, help="size of the class (20)")
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=many_starts.SIZES, help="stubs at once (100 300)"
    )
    parser.add_argument(
        "--servers", type=int, default=hub_costs.SERVERS, help="stub servers of each hub (300)"
    )
    parser.add_argument(
        "--idle", type=float, default=hub_costs.IDLE, help="seconds of an idle hub (300)"
    )
    options = parser.parse_args()
    unknown = sorted(set(options.names) - BENCHES.keys())
    if unknown:
        parser.error(f"no such benchmark: {', '.join(unknown)}; there are {every}")
    began = time.monotonic()

    def say(words: str) -> None:
        print(f"[{time.monotonic() - began:6.1f} s] {words}", file=sys.stderr, flush=True)

    load = os.getloadavg()[0]
    if load > BUSY:
        say(f"this machine is at work already (load {load:.1f}): the figures will be worse for it")
    for name, bench in BENCHES.items():
        if name not in (options.names or BENCHES):
            continue
        try:
            say(f"wrote {harness.write(name, bench(options, say))}")
        except FileNotFoundError as missing:
            print(missing, file=sys.stderr)
            return 1
        except Problem as problem:
            problem.show()
            return 1
    print(report.table(report.load()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
