"""``python -m publishing.remote.fetcher``: ask servers for what a worker wants of them.

It is told everything on its standard input, the first line first: addresses, with what they let the
room in, and rules. Each line after it asks for a list or for a file. It writes nothing but frames,
and nothing of what a library says.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from queue import SimpleQueue
from typing import Any, BinaryIO

from publishing.remote import guard
from publishing.remote.frames import DATA, END, ENTRY, PIECE, START, WRONG, send, send_told
from publishing.remote.places import Place, at
from publishing.remote.web import reason
from room.datasets.addresses import Access, Rules

#: What each protocol needs, which is imported before nothing may be read any more.
LIBRARIES = {"s3": "s3fs", "hf": "huggingface_hub"}


class Fetcher:
    """Answers one request after the other."""

    def __init__(self, told: Mapping[str, Any], out: BinaryIO) -> None:
        self._addresses = tuple(told["addresses"])
        self._access = Access(**told["access"])
        self._rules = rules_of(told)
        self._places: dict[int, Place] = {}
        self._out = out

    def answer(self, asked: Mapping[str, Any]) -> None:
        try:
            place = self._place(int(asked["address"]))
            if "read" in asked:
                self._read(place, asked["read"], int(asked["start"]))
            else:
                for found in place.list():
                    send_told(self._out, ENTRY, found)
            send(self._out, END)
        except Exception as error:
            why = reason(error)
            send_told(self._out, WRONG, why)
            if why == "odd":
                raise

    def _read(self, place: Place, found: Mapping[str, Any], start: int) -> None:
        for piece in place.read(found, start):
            if isinstance(piece, int):
                send_told(self._out, START, piece)
                continue
            for begin in range(0, len(piece), PIECE):
                send(self._out, DATA, piece[begin : begin + PIECE])

    def _place(self, number: int) -> Place:
        if number not in self._places:
            self._places[number] = at(self._addresses[number], self._access, self._rules)
        return self._places[number]


def rules_of(told: Mapping[str, Any]) -> Rules | None:
    """Return to whom the fetcher may speak; None: to everybody, as who asks may."""
    rules = told["rules"]
    return rules and Rules(tuple(rules["protocols"]), tuple(rules["hosts"]))


def main() -> None:
    guard.die_with_parent()
    out = os.fdopen(os.dup(1), "wb")
    # What a library prints must not get between the frames.
    os.dup2(2, 1)
    told = json.loads(sys.stdin.buffer.readline())
    rules = rules_of(told)
    if rules is not None:
        for address in told["addresses"]:
            library = LIBRARIES.get(address.partition("://")[0])
            if library:
                importlib.import_module(library)

        def refused() -> None:
            send_told(out, WRONG, "peer")
            os._exit(1)

        guard.shed(told["user"])
        guard.watch(rules, refused)
    fetcher = Fetcher(told, out)
    for asked in _requests():
        fetcher.answer(asked)


def _requests() -> Iterator[Mapping[str, Any]]:
    """Yield what is asked for. Ends the process when nobody is there to ask, whatever it waits for.

    Who asks is another user by now, and has no right to kill it.
    """
    asked: SimpleQueue[bytes] = SimpleQueue()

    def listen() -> None:
        for line in sys.stdin.buffer:
            asked.put(line)
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    while True:
        yield json.loads(asked.get())


if __name__ == "__main__":
    main()
