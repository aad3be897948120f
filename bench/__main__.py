"""python -m bench: run the benchmarks, write their results, print the table."""

from __future__ import annotations

import argparse
import os
import sys
import time

from bench import class_start, harness, queue, queue_durable, report
from cli.errors import Problem

#: Load above which someone else is at work on this machine.
BUSY = 0.5


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("name", nargs="?", choices=(queue.NAME, class_start.NAME), help="only this")
    parser.add_argument("--singles", type=int, default=7, help="single starts of each (7)")
    parser.add_argument("--storms", type=int, default=3, help="starts of a whole class (3)")
    parser.add_argument("--students", type=int, default=20, help="size of the class (20)")
    options = parser.parse_args()
    began = time.monotonic()

    def say(words: str) -> None:
        print(f"[{time.monotonic() - began:6.1f} s] {words}", file=sys.stderr, flush=True)

    load = os.getloadavg()[0]
    if load > BUSY:
        say(f"this machine is at work already (load {load:.1f}): the figures will be worse for it")
    if options.name in (None, queue.NAME):
        try:
            for each in (queue, queue_durable):
                say(f"wrote {harness.write(each.NAME, each.measure(say))}")
        except FileNotFoundError as missing:
            print(missing, file=sys.stderr)
            return 1
    if options.name == queue.NAME:
        return 0
    from engine import images
    from room.settings import Settings

    settings = Settings()
    try:
        tags = images.ensure(settings, progress=say)
        results = class_start.measure(
            class_start.contenders(tags, settings.engine_socket),
            singles=options.singles,
            storms=options.storms,
            students=options.students,
            say=say,
        )
    except Problem as problem:
        problem.show()
        return 1
    say(f"wrote {harness.write(class_start.NAME, results)}")
    print(report.table(report.load()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
