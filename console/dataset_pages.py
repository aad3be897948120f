"""The pages of datasets: what there is, publishing a folder of one's home, and changing one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from console import guard
from console.agent import AgentError, Check
from console.dataset_sources import KINDS, Origin, wanted_of
from console.datasets import Datasets, Fields, Row, Told
from console.guard import ForbiddenError, Visit
from console.parts import Parts, parts_of
from console.tus import CHUNK
from room.datasets.readme import FILES, snippet
from room.datasets.rights import MOST
from room.said import reason


def add(made: APIRouter) -> None:
    """Add the pages to the console's."""
    _list(made)
    _publications(made)
    _uploads(made)
    _one(made)


async def _visit(request: Request) -> tuple[Parts, Visit]:
    parts = parts_of(request)
    return parts, await parts.guard.visit(request)


async def _page(request: Request, parts: Parts, visit: Visit, **more: Any) -> Response:
    datasets, uploads = parts.datasets, parts.uploads
    kinds = tuple(kind for kind in KINDS if kind != "upload" or uploads.usable(visit))
    try:
        rows: list[Row] | None = await datasets.publications(visit)
    except AgentError:
        # What there is, is shown; what is to come, nobody can tell now.
        rows = None
    return parts.pages.page(
        request,
        "datasets.html",
        visit=visit,
        rows=rows,
        found=await datasets.all(visit),
        may_publish=datasets.may_publish(visit),
        retired=await parts.pruning.prunable(visit, timedelta(0)),
        classes=await datasets.classes(visit),
        most=MOST,
        kinds=kinds,
        uploads=await uploads.mine(visit),
        days=uploads.limits.days,
        chunk=CHUNK,
        **{"said": "", "failed": "", "tried": Fields(), **more},
    )


def _list(made: APIRouter) -> None:
    @made.get("/datasets")
    async def datasets(
        request: Request,
        name: str = "",
        said: str = "",
        kind: Annotated[str, Query(alias="from")] = "home",
    ) -> Response:
        """Return the page; ``name``: of which dataset a new version is to come, ``from`` what."""
        parts, visit = await _visit(request)
        tried = Fields(name[:64], Origin(kind if kind in KINDS else "home"))
        return await _page(request, parts, visit, said=said, tried=tried)

    @made.post("/datasets")
    async def publish(request: Request) -> Response:
        parts, visit = await _visit(request)
        fields = _fields(await guard.fields(request))
        try:
            await parts.datasets.publish(visit, fields)
        except ValueError as error:
            return await _page(request, parts, visit, failed=reason(error), tried=fields)
        except AgentError as error:
            return await _page(request, parts, visit, failed=error.words, tried=fields)
        return RedirectResponse(f"{parts.pages.prefix}datasets?said=publishing", 303)


def _publications(made: APIRouter) -> None:
    @made.get("/publications")
    async def rows(request: Request) -> Response:
        """Return the part of the page that changes while one looks."""
        parts, visit = await _visit(request)
        try:
            found = await parts.datasets.publications(visit)
        except AgentError:
            # What is shown stays until the agent is there again.
            return Response(status_code=204)
        shown = await parts.datasets.all(visit)
        return parts.pages.page(request, "dataset_rows.html", visit=visit, rows=found, found=shown)

    @made.post("/publications/{identity}/{act}")
    async def change(request: Request, identity: str, act: str) -> Response:
        parts, visit = await _visit(request)
        acts = {"again": _again, "cancel": _cancel}
        if act not in acts:
            raise ForbiddenError
        try:
            await acts[act](parts.datasets, visit, identity, dict(await guard.fields(request)))
        except (LookupError, ValueError) as error:
            return await _page(request, parts, visit, failed=reason(error))
        said = "publishing" if act == "again" else "cancelled"
        return RedirectResponse(f"{parts.pages.prefix}datasets?said={said}", 303)


def _uploads(made: APIRouter) -> None:
    @made.post("/uploads/{identity}/{act}")
    async def change(request: Request, identity: str, act: str) -> Response:
        """Publish or remove what was uploaded: what a page's script does by itself, too."""
        parts, visit = await _visit(request)
        form = dict(await guard.fields(request))
        try:
            if act == "publish":
                unpack = form.get("unpack") == "1"
                name = form.get("name", "")
                await parts.uploads.publish(visit, identity, name=name, unpack=unpack)
            elif act == "remove":
                await parts.uploads.remove(visit, identity)
            else:
                raise ForbiddenError
        except ValueError as error:
            return await _page(request, parts, visit, failed=reason(error))
        except AgentError as error:
            return await _page(request, parts, visit, failed=error.words)
        said = "publishing" if act == "publish" else "removed"
        return RedirectResponse(f"{parts.pages.prefix}datasets?said={said}", 303)


async def _again(all_: Datasets, visit: Visit, identity: str, form: dict[str, str]) -> None:
    await all_.again(visit, identity, wanted_of(form))


async def _cancel(all_: Datasets, visit: Visit, identity: str, form: dict[str, str]) -> None:
    await all_.cancel(visit, identity)


def _one(made: APIRouter) -> None:
    async def show(
        request: Request, parts: Parts, visit: Visit, name: str, **more: Any
    ) -> Response:
        told = await parts.datasets.get(visit, name)
        started = told.dataset.usable or told.dataset.newest
        checks = await _checks(parts, told)
        return parts.pages.page(
            request,
            "dataset.html",
            visit=visit,
            told=told,
            may_publish=parts.datasets.may_publish(visit),
            people=await parts.datasets.people(told.classes) if told.manages else {},
            classes=await parts.datasets.classes(visit) if told.manages else [],
            checks=checks or {},
            may_check=checks is not None,
            load=snippet(name, started.shape if started else FILES),
            most=MOST,
            **{"said": "", "failed": "", "tried": None, **more},
        )

    @made.get("/datasets/{name}")
    async def dataset(request: Request, name: str, said: str = "") -> Response:
        parts, visit = await _visit(request)
        return await show(request, parts, visit, name, said=said)

    @made.post("/datasets/{name}")
    async def change(request: Request, name: str) -> Response:
        parts, visit = await _visit(request)
        sent = await guard.fields(request)
        act = ACTS.get(dict(sent).get("act", ""))
        if act is None:
            raise ForbiddenError
        fields, number = _fields(sent), _number(dict(sent).get("version", ""))
        try:
            await act(parts.datasets, visit, name, fields, number)
        except (ValueError, LookupError) as error:
            tried = fields if act is ACTS["describe"] else None
            return await show(request, parts, visit, name, failed=reason(error), tried=tried)
        try:
            await parts.datasets.get(visit, name)
        except ForbiddenError:
            # Who took it from the last of their classes is told of it no more.
            return RedirectResponse(f"{parts.pages.prefix}datasets?said=changed", 303)
        return RedirectResponse(f"{request.url.path}?said=changed", 303)


async def _checks(parts: Parts, told: Told) -> Mapping[int, Check] | None:
    """Return what is being read through of it; None: nobody who asks can have that done now."""
    if parts.checking is None or not told.manages:
        return None
    return await parts.checking.under_way(told.dataset.name)


#: What the forms of a dataset's page do.
ACTS: dict[str, Callable[[Datasets, Visit, str, Fields, int], Awaitable[None]]] = {
    "describe": lambda all_, visit, name, fields, _: all_.describe(visit, name, fields),
    "share": lambda all_, visit, name, fields, _: all_.share(visit, name, fields.classes),
    "take": lambda all_, visit, name, fields, _: all_.take(visit, name, fields.classes),
    "retire": lambda all_, visit, name, _, number: all_.retire(visit, name, number),
    "restore": lambda all_, visit, name, _, number: all_.restore(visit, name, number),
}


def _fields(sent: Any) -> Fields:
    form = dict(sent)
    kind = form.get("from", "home")
    return Fields(
        form.get("name", ""),
        Origin(
            kind if kind in KINDS else "home",
            form.get("folder", ""),
            form.get("unpack") == "1",
            wanted=wanted_of(form),
        ),
        tuple(value for name, value in sent if name == "class"),
        form.get("description", ""),
        form.get("licence", ""),
        form.get("source", ""),
    )


def _number(text: str) -> int:
    """Return a version's number; 0, which none has, for what is no number."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
