"""``python -m publishing.work SHELF ID [KEY]``: bring a publication's files to where versions are.

A process of its own, so that a kill ends this one publication, and its reading and hashing takes
no turn of who started it. What came of it is in the publication's own words.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from publishing.archives import ArchiveRefusedError
from publishing.copying import ChangedError
from publishing.folder import NoFolderError
from publishing.job import BusyJobError, CancelledJobError, Desk, NoSpaceError
from publishing.publish import gather
from publishing.remote.wrong import WrongError
from publishing.secrets import LostSecretError
from publishing.shelf import Shelf
from room.datasets.paths import PathRefusedError

#: Students' servers come first.
NICE = 10
#: Ends for a reason that the publication has written down.
SAID = 1
REFUSED = (
    PathRefusedError,
    ArchiveRefusedError,
    ChangedError,
    LostSecretError,
    NoFolderError,
    NoSpaceError,
    WrongError,
)


def main(arguments: list[str]) -> int:
    root, identity, *key = arguments
    os.nice(NICE)
    desk = Desk(Shelf(Path(root)), Path(key[0]) if key else None)
    try:
        job = desk.get(identity)
        with desk.held(job):
            gather(desk, job, desk.note(job))
    except (BusyJobError, CancelledJobError):
        return 0
    except REFUSED as error:
        print(f"{job.name}, {job.id[:8]}: {error}", file=sys.stderr)
        return SAID
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
