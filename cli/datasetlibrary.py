"""The room's datasets as its commands work on them, and what goes wrong with them, in words."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from cli import context
from cli.errors import Problem, from_os_error
from cli.people import actor

if TYPE_CHECKING:
    from publishing.job import Desk
    from room.datasets.catalog import Catalog


class Library(NamedTuple):
    """The datasets of this room: what they are, and where they lie."""

    catalog: Catalog
    desk: Desk


@contextmanager
def opened() -> Iterator[Library]:
    """Give the room's datasets, and say what goes wrong with them in words."""
    from publishing import archives, copying, folder, publish
    from publishing import job as jobs
    from publishing.remote.wrong import WrongError
    from publishing.secrets import LostSecretError
    from publishing.shelf import Shelf
    from room.datasets.catalog import Catalog
    from room.datasets.model import NoSuchDatasetError
    from room.datasets.paths import PathRefusedError

    root = context.settings().data_root
    shelf = Shelf(root / "datasets")
    catalog = Catalog(context.store(), actor=actor(), origin="command")
    try:
        shelf.prepare()
        yield Library(catalog, jobs.Desk(shelf, root / "state" / "agent" / "publications.key"))
    except NoSuchDatasetError as error:
        raise Problem(sentence(error), "See which there are: room dataset list") from error
    except archives.ArchiveRefusedError as error:
        raise Problem(str(error), "Nothing was published.") from error
    except PathRefusedError as error:
        remedy = "Nothing was published. Remove or rename it, then run the same command again."
        raise Problem(str(error), remedy) from error
    except copying.ChangedError as error:
        raise Problem(sentence(error), "Publish it when nobody writes there.") from error
    except WrongError as error:
        raise Problem(sentence(error), "Run the same command again: it goes on.") from error
    except LostSecretError as error:
        raise Problem(sentence(error), "Give it: --credentials FILE") from error
    except folder.NoFolderError as error:
        raise Problem(sentence(error), "Nothing was published.") from error
    except publish.NoSpaceError as error:
        raise Problem(str(error)) from error
    except jobs.BusyJobError as error:
        raise Problem(sentence(error), "See how far it is: room dataset list") from error
    except jobs.CancelledJobError as error:
        raise Problem(sentence(error), "Nothing is left of it.") from error
    except LookupError as error:
        raise Problem(sentence(error), "See them: room dataset list") from error
    except OSError as error:
        raise from_os_error(error) from error


def sentence(error: Exception) -> str:
    """Return what an error says as a sentence of its own."""
    text = os.fspath(str(error))
    return f"{text[:1].upper()}{text[1:]}."
