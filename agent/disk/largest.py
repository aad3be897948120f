"""What fills a home, said in a dozen lines. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping

#: A path below the home, in its parts.
Parts = tuple[str, ...]

COUNT = 12


def largest(
    directories: Mapping[Parts, int], files: Iterable[tuple[int, Parts]], count: int = COUNT
) -> tuple[tuple[str, int], ...]:
    """Return paths and their bytes, largest first; none of them holds another.

    ``directories`` are totals of what is below each, with every parent of one in it, the home's
    own excepted. A directory gives way to what it holds when one of that is more than half of it:
    ``.cache/pip`` says more than ``.cache``.
    """
    inside: dict[Parts, list[tuple[int, Parts]]] = {}
    for path, size in directories.items():
        inside.setdefault(path[:-1], []).append((size, path))
    for size, path in files:
        parent = path[:-1]
        while parent and parent not in directories:
            parent = parent[:-1]
        inside.setdefault(parent, []).append((size, path))

    found: list[tuple[str, int]] = []
    heap = [(-size, path) for size, path in inside.get((), ())]
    heapq.heapify(heap)
    while heap and len(found) < count:
        negative, path = heapq.heappop(heap)
        size, held = -negative, inside.get(path, ())
        if held and 2 * max(held)[0] > size:
            for each in held:
                heapq.heappush(heap, (-each[0], each[1]))
        elif size:
            # A name may hold any bytes; what is no UTF-8 is told with question marks.
            told = "/".join(path).encode("utf-8", "replace").decode()
            found.append((told, size))
    return tuple(found)
