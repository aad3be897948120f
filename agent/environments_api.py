"""What the agent is asked about environments of classes: typed requests, as for publications."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Path
from pydantic import BaseModel, Field

from agent.environments import Builds, BusyError, NoSuchBuildError
from engine.client import EngineRefusedError, EngineUnavailableError
from room.environments import requirements
from room.environments.model import as_dict
from room.models import Reject

Identity = Annotated[str, Path(pattern=r"^[0-9a-f-]{36}$")]
#: Longer than anything that is taken: what is too long is said in words.
Text = Annotated[str, Field(max_length=2 * requirements.LONGEST)]


class BuildRequest(BaseModel):
    """``actor``: who asks for it, by whom the console has let in. ``model.Build`` has the rest."""

    class_name: Annotated[str, Field(min_length=1, max_length=255)]
    actor: Annotated[str, Field(min_length=1, max_length=255)]
    requirements: Text
    replaces: Annotated[int, Field(ge=0)] = 0
    pins: Text = ""


class KeptRequest(BaseModel):
    """The images that some class has, or can go back to."""

    tags: tuple[Annotated[str, Field(max_length=255)], ...]


def serve(app: FastAPI, builds: Builds, authorized: Callable[..., None]) -> None:
    """Add the routes."""
    guarded = [Depends(authorized)]

    @app.get("/v1/environments", dependencies=guarded)
    def every() -> list[dict[str, Any]]:
        return [as_dict(each) for each in builds.all()]

    @app.get("/v1/environments/images", dependencies=guarded)
    def images() -> dict[str, Any]:
        try:
            return {"base": builds.image(), "tags": sorted(builds.images())}
        except (EngineUnavailableError, EngineRefusedError) as error:
            raise HTTPException(503, str(error)) from error

    @app.put("/v1/environments/kept", dependencies=guarded)
    def kept(request: KeptRequest) -> dict[str, list[str]]:
        try:
            return {"removed": builds.keep(request.tags)}
        except (EngineUnavailableError, EngineRefusedError) as error:
            raise HTTPException(503, str(error)) from error

    @app.post("/v1/environments", dependencies=guarded, status_code=201)
    def begin(request: BuildRequest) -> dict[str, Any]:
        wanted = requirements.read(request.requirements)
        if isinstance(wanted, Reject):
            raise HTTPException(422, wanted.message)
        try:
            build = builds.begin(
                request.class_name,
                request.actor,
                request.requirements,
                request.replaces,
                request.pins,
            )
        except BusyError as error:
            raise HTTPException(409, "something is being built for this class") from error
        return as_dict(build)

    @app.get("/v1/environments/{identity}/log", dependencies=guarded)
    def log(identity: Identity) -> dict[str, str]:
        try:
            return {"log": builds.log(identity)}
        except NoSuchBuildError as error:
            raise HTTPException(404, "no such build") from error

    @app.delete("/v1/environments/{identity}", dependencies=guarded)
    def remove(identity: Identity) -> dict[str, bool]:
        """Cancel it, or forget it where it is over."""
        try:
            builds.remove(identity)
        except NoSuchBuildError as error:
            raise HTTPException(404, "no such build") from error
        return {"gone": True}
