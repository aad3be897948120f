"""What the agent is asked about publications: typed requests, as for homes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Path
from pydantic import BaseModel, Field

from agent.publication_sources import AnySource, Places, UrlSource
from agent.publications import NoSuchPublicationError, Publications, as_dict
from room.datasets.names import NAME
from room.roster import CLASS

Identity = Annotated[str, Path(pattern=r"^[0-9a-f-]{36}$")]
#: Characters of what is said of a dataset.
Words = Annotated[str, Field(max_length=2000)]


class PublicationRequest(BaseModel):
    """``actor``: who asks for it, by whom the hub or the console has let in."""

    name: Annotated[str, Field(pattern=f"^{NAME.pattern}$")]
    actor: Annotated[str, Field(min_length=1, max_length=255)]
    source: AnySource
    classes: tuple[Annotated[str, Field(pattern=rf"^(\*|{CLASS.pattern})$")], ...] = ()
    description: Words = ""
    licence: Annotated[str, Field(max_length=255)] = ""
    origin: Words = ""

    @property
    def about(self) -> dict[str, str]:
        return {
            "description": self.description,
            "licence": self.licence,
            "source": self.origin,
        }


def serve(
    app: FastAPI, publications: Publications, places: Places, authorized: Callable[..., None]
) -> None:
    """Add the routes."""
    guarded = [Depends(authorized)]

    @app.get("/v1/publications", dependencies=guarded)
    def every() -> list[dict[str, Any]]:
        return [as_dict(each) for each in publications.all()]

    @app.post("/v1/publications", dependencies=guarded, status_code=201)
    def begin(request: PublicationRequest) -> dict[str, Any]:
        try:
            source = request.source.found(places)
        except ValueError as error:
            raise HTTPException(422, str(error)) from error
        seen = publications.begin(
            request.name,
            request.actor,
            source,
            about=request.about,
            classes=request.classes,
            secret=request.source.secret(),
        )
        return as_dict(seen)

    @app.post("/v1/publications/{identity}/again", dependencies=guarded)
    def again(identity: Identity, given: UrlSource | None = None) -> dict[str, Any]:
        """Go on with it; with ``given``, with what lets the room in from now on."""
        try:
            if given is not None:
                given.found(places)
            return as_dict(publications.again(identity, given and given.wanted))
        except ValueError as error:
            raise HTTPException(422, str(error)) from error
        except NoSuchPublicationError as error:
            raise HTTPException(404, str(error)) from error

    @app.delete("/v1/publications/{identity}", dependencies=guarded)
    def cancel(identity: Identity, published: bool = False) -> dict[str, bool]:
        """Stop it and remove what it made; ``published``: it is in the room's database now."""
        try:
            if published:
                publications.forget(identity)
                return {"gone": True}
            return {"gone": publications.cancel(identity)}
        except NoSuchPublicationError as error:
            raise HTTPException(404, str(error)) from error
        except LookupError as error:
            raise HTTPException(409, str(error)) from error
