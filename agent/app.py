"""The agent's HTTP interface: typed requests from hub and console, with a token for each."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Protocol

from fastapi import Depends, FastAPI, Header, HTTPException, Query, Response
from fastapi import Path as InPath
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field

from agent import checks_api, environments_api, host, metrics, publishing_api, versions_api
from agent.checks import Checks
from agent.classdirs import ClassDirs, DirLimits
from agent.disk.limits import Limits
from agent.environments import Builds
from agent.homes import HomeError, Homes
from agent.publication_sources import Places
from agent.publications import Publications
from agent.snapshot import Snapshot
from agent.versions import Versions
from room import accounting, homeuse
from room.accounting import Reading
from room.classdirs import HandIn
from room.datasets.addresses import Rules
from room.doctor import live
from room.gpus import inventory as inventories
from room.gpus import use as uses

#: Bytes: what btrfs, the kernel's quotas and JSON can all say.
Size = Annotated[int, Field(ge=0, lt=1 << 53)]
#: Seconds that who asks for a home's use waits for a new measure.
PATIENCE = 5.0


class ClassRequest(BaseModel):
    """A class whose directories are opened beside the home."""

    class_name: Annotated[str, Field(max_length=255)]
    hand_in: HandIn


class HomeRequest(BaseModel):
    """Limits in bytes, 0: none. Left out, those of the home stay what they are."""

    user: Annotated[str, Field(min_length=1, max_length=255)]
    soft: Size | None = None
    hard: Size | None = None
    classes: tuple[ClassRequest, ...] = ()
    folder: Size = 0
    hand_in: Size = 0

    @property
    def limits(self) -> Limits | None:
        if self.soft is None and self.hard is None:
            return None
        return Limits(self.soft or 0, self.hard or 0)


class ClassReply(BaseModel):
    """``agent.classdirs.Opened``."""

    class_name: str
    folder: str
    hand_in: str
    problem: str
    why: str


class HomeReply(BaseModel):
    """``enforced``: the file system holds the hard limit; else ``why`` says why not."""

    path: str
    created: bool
    enforced: bool
    why: str
    classes: tuple[ClassReply, ...] = ()


class Looks(Protocol):
    """Who takes snapshots: ``agent.snapshot.Sampler``."""

    def latest(self) -> Snapshot: ...

    def age(self) -> float | None: ...


class Counts(Protocol):
    """Who counts what containers use: ``agent.accounting.Accountant``."""

    def readings(self) -> Iterable[Reading]: ...

    def stop(self) -> None: ...


def make_app(
    data_root: Path,
    token: str,
    looks: Looks | None = None,
    homes: Homes | None = None,
    classes: ClassDirs | None = None,
    publications: Publications | None = None,
    counts: Counts | None = None,
    publisher: str = "",
    versions: Versions | None = None,
    builds: Builds | None = None,
    checks: Checks | None = None,
    rules: Rules | None = None,
) -> FastAPI:
    """Return the application for the files under ``data_root``, open to holders of ``token``.

    Without ``homes`` they are those under it, whose limits are forgotten at its end; without
    ``classes`` they are those under it. Without ``looks`` it knows of no GPU; without ``counts`` it
    knows of nobody's use of CPU and memory. ``publisher`` is the token of who asks for
    ``publications``, ``versions``, ``checks`` and ``builds``, and opens nothing else: a room
    without it has none of them. ``rules`` say which servers publications may be fetched from.
    """
    authorized = _holder_of(token)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        workers = [each for each in (publications, builds) if each is not None]
        for worker in workers:
            worker.open()
        if versions is not None:
            versions.open()
        yield
        # Here, and not behind the server: that ends its process by the signal it was sent.
        for worker in workers:
            worker.close()
        if checks is not None:
            checks.close()
        if counts is not None:
            counts.stop()

    # No schema pages: nobody browses the agent, and each page is one more way in.
    app = FastAPI(
        title="Torchroom agent", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan
    )

    @app.get("/healthz")
    def healthz() -> dict[str, str]:
        return {"status": "ok"}

    homes = homes or Homes.at(data_root / "homes")
    _serve_homes(app, homes, classes or ClassDirs.at(data_root / "classes"), authorized)
    if looks is not None:
        _serve_gpus(app, looks, data_root / "homes", authorized)
    if publications is not None and publisher:
        places = Places(data_root / "homes", data_root / "datasets" / "incoming", rules or Rules())
        publishing_api.serve(app, publications, places, _holder_of(publisher))
    if versions is not None and publisher:
        versions_api.serve(app, versions, _holder_of(publisher))
    if checks is not None and publisher:
        checks_api.serve(app, checks, _holder_of(publisher))
    if builds is not None and publisher:
        environments_api.serve(app, builds, _holder_of(publisher))
    if counts is not None:
        _serve_counts(app, counts, authorized)
    return app


def _holder_of(token: str) -> Callable[..., None]:
    """Return what lets in who has the token, and nobody else."""
    if len(token) < 32:
        raise ValueError("the agent's token has fewer than 32 characters")

    def authorized(authorization: Annotated[str, Header()] = "") -> None:
        if not hmac.compare_digest(authorization.encode(), f"Bearer {token}".encode()):
            raise HTTPException(401, "The token is missing or wrong.")

    return authorized


def _serve_homes(
    app: FastAPI, homes: Homes, classes: ClassDirs, authorized: Callable[..., None]
) -> None:
    @app.post("/v1/homes", dependencies=[Depends(authorized)])
    def home(request: HomeRequest) -> HomeReply:
        try:
            found = homes.open(request.user, request.limits)
        except HomeError as error:
            raise HTTPException(409, str(error)) from error
        limits = DirLimits(request.folder, request.hand_in)
        opened = (
            classes.open(request.user, each.class_name, each.hand_in, limits)
            for each in request.classes
        )
        return HomeReply(
            path=str(found.path),
            created=found.created,
            enforced=found.enforced,
            why=found.why,
            classes=tuple(ClassReply(**asdict(each)) for each in opened),
        )

    @app.get("/v1/homes/{user}/usage", dependencies=[Depends(authorized)])
    def usage(
        user: Annotated[str, InPath(min_length=1, max_length=255)],
        patience: Annotated[float, Query(ge=0, le=PATIENCE)] = 0.0,
    ) -> dict[str, Any]:
        try:
            return homeuse.as_dict(homes.use(user, patience))
        except HomeError as error:
            raise HTTPException(404, str(error)) from error


def _serve_counts(app: FastAPI, counts: Counts, authorized: Callable[..., None]) -> None:
    @app.get("/v1/accounting", dependencies=[Depends(authorized)])
    def readings() -> dict[str, Any]:
        return accounting.as_dict(counts.readings())


def _serve_gpus(app: FastAPI, looks: Looks, homes: Path, authorized: Callable[..., None]) -> None:
    @app.get("/v1/inventory", dependencies=[Depends(authorized)])
    def inventory() -> dict[str, Any]:
        if looks.age() is None:
            # An empty inventory would be a lie: nobody has looked yet.
            raise HTTPException(503, "The GPUs have not been looked at yet; ask again.")
        return inventories.as_dict(looks.latest().inventory)

    @app.get("/v1/use", dependencies=[Depends(authorized)])
    def use() -> dict[str, Any]:
        return uses.as_dict(looks.latest().use)

    @app.get("/v1/host", dependencies=[Depends(authorized)])
    def what_host() -> Response:
        seen = host.look(looks.latest(), homes)
        return Response(live.dumps_host(seen), media_type="application/json")

    # Without the token: who holds it can also make homes, and a Prometheus that only reads
    # figures must not. The control network keeps students out.
    @app.get("/metrics")
    def prometheus() -> Response:
        return Response(metrics.render(looks.latest(), looks.age()), media_type=CONTENT_TYPE_LATEST)
