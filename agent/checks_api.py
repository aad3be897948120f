"""What the agent is asked about reading versions through."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel, Field

from agent.checks import Checks, TooManyChecksError
from room.datasets.names import NAME


class CheckRequest(BaseModel):
    """``actor``: who asks for it, by whom the console has let in."""

    name: Annotated[str, Field(pattern=f"^{NAME.pattern}$")]
    number: Annotated[int, Field(ge=1, lt=10**9)]
    digest: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    actor: Annotated[str, Field(min_length=1, max_length=255)]


def serve(app: FastAPI, checks: Checks, authorized: Callable[..., None]) -> None:
    """Add the routes."""
    guarded = [Depends(authorized)]

    @app.get("/v1/checks", dependencies=guarded)
    def every() -> list[dict[str, Any]]:
        return [asdict(each) for each in checks.all()]

    @app.post("/v1/checks", dependencies=guarded, status_code=202)
    def begin(wanted: CheckRequest) -> dict[str, Any]:
        try:
            return asdict(checks.begin(wanted.name, wanted.number, wanted.digest, wanted.actor))
        except TooManyChecksError as error:
            raise HTTPException(503, "too many wait") from error

    @app.delete("/v1/checks/{identity}", dependencies=guarded)
    def forget(identity: str) -> dict[str, bool]:
        checks.forget(identity)
        return {"gone": True}
