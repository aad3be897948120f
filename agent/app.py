"""The agent's HTTP interface: typed requests from hub and console, with a token."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Protocol

from fastapi import Depends, FastAPI, Header, HTTPException, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field

from agent import homes, metrics
from agent.snapshot import Snapshot
from room.gpus import inventory as inventories
from room.gpus import use as uses


class HomeRequest(BaseModel):
    user: Annotated[str, Field(min_length=1, max_length=255)]


class HomeReply(BaseModel):
    path: str
    created: bool


class Looks(Protocol):
    """Who takes snapshots: ``agent.snapshot.Sampler``."""

    def latest(self) -> Snapshot: ...

    def age(self) -> float | None: ...


def make_app(data_root: Path, token: str, looks: Looks | None = None) -> FastAPI:
    """Return the application for the files under ``data_root``, open to holders of ``token``.

    Without ``looks`` it makes homes and knows of no GPU.
    """
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

    if looks is not None:
        _serve_gpus(app, looks, authorized)
    return app


def _serve_gpus(app: FastAPI, looks: Looks, authorized: Callable[..., None]) -> None:
    @app.get("/v1/inventory", dependencies=[Depends(authorized)])
    def inventory() -> dict[str, Any]:
        if looks.age() is None:
            # An empty inventory would be a lie: nobody has looked yet.
            raise HTTPException(503, "The GPUs have not been looked at yet; ask again.")
        return inventories.as_dict(looks.latest().inventory)

    @app.get("/v1/use", dependencies=[Depends(authorized)])
    def use() -> dict[str, Any]:
        return uses.as_dict(looks.latest().use)

    # Without the token: who holds it can also make homes, and a Prometheus that only reads
    # figures must not. The control network keeps students out.
    @app.get("/metrics")
    def prometheus() -> Response:
        return Response(metrics.render(looks.latest(), looks.age()), media_type=CONTENT_TYPE_LATEST)
