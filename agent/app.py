"""The agent's HTTP interface: typed requests from hub and console, with a token."""

from __future__ import annotations

import hmac
from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI, Header, HTTPException
from pydantic import BaseModel, Field

from agent import homes


class HomeRequest(BaseModel):
    user: Annotated[str, Field(min_length=1, max_length=255)]


class HomeReply(BaseModel):
    path: str
    created: bool


def make_app(data_root: Path, token: str) -> FastAPI:
    """Return the application for the files under ``data_root``, open to holders of ``token``."""
    if len(token) < 32:
        raise ValueError("the agent's token has fewer than 32 characters")

    def authorized(authorization: Annotated[str, Header()] = "") -> None:
        if not hmac.compare_digest(authorization.encode(), f"Bearer {token}".encode()):
            raise HTTPException(401, "The token is missing or wrong.")

    # No schema pages: nobody browses the agent, and each page is one more way in.
    app = FastAPI(title="Torchroom agent", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/healthz")
    def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/v1/homes", dependencies=[Depends(authorized)])
    def home(request: HomeRequest) -> HomeReply:
        try:
            found = homes.ensure(data_root / "homes", request.user)
        except homes.HomeError as error:
            raise HTTPException(409, str(error)) from error
        return HomeReply(path=str(found.path), created=found.created)

    return app
