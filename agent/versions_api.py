"""What the agent is asked about retired versions: which are in use, and to remove one's files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel, Field

from agent.servers import ServersUnknownError
from agent.versions import Versions
from room.datasets.names import NAME


class Removal(BaseModel):
    """``looked_at``: as the agent said it with what was in use."""

    name: Annotated[str, Field(pattern=f"^{NAME.pattern}$")]
    digest: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    looked_at: Annotated[int, Field(ge=0, lt=1 << 63)]


def serve(app: FastAPI, versions: Versions, authorized: Callable[..., None]) -> None:
    """Add the routes."""
    guarded = [Depends(authorized)]

    @app.get("/v1/versions/in-use", dependencies=guarded)
    def in_use() -> dict[str, Any]:
        try:
            looked_at, found = versions.in_use()
        except ServersUnknownError as error:
            raise HTTPException(503, str(error)) from error
        return {"looked_at": looked_at, "versions": sorted(found)}

    @app.post("/v1/versions/remove", dependencies=guarded, status_code=202)
    def remove(wanted: Removal) -> dict[str, bool]:
        try:
            versions.remove((wanted.name, wanted.digest), wanted.looked_at)
        except ServersUnknownError as error:
            raise HTTPException(503, str(error)) from error
        return {"removing": True}
