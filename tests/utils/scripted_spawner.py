"""A spawner that goes through its stages as a file says: the pages are under test, not a start."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
import os
import time
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from jupyterhub.spawner import Spawner
from tornado import httpserver, netutil, web
from traitlets import default

from room import homeuse
from room.datasets.model import Dataset, Version
from room.homeuse import HomeUse
from room.lessons import starting
from room.lessons.book import Lessons
from room.lessons.model import Lesson, NoSuchLessonError
from room.models import Owner, Reject
from room.store import Store
from spawner import environments, pages
from spawner.agent import AgentSilentError
from spawner.availability import Availability
from spawner.classstart import Runs
from spawner.datasetpicker import Offer, offers
from spawner.homefeed import warning
from spawner.options import DATASET_VERSION, DATASETS, UNLISTED, Card, CardOption, ticked
from spawner.refusal import Refusal

STAGES = ("checking", "gpu", "home", "turn", "creating", "booting")
GIB = 1024**3

CARDS = (
    Card(
        slug="cpu",
        display_name="CPU",
        description="For reading, writing and small experiments.",
        cpu=2,
        memory=4 * GIB,
        shm=GIB,
        gpus=0,
        gpu_label="",
        image="torchroom/pytorch:2.9.1-cu128",
        selected=False,
    ),
    Card(
        slug="gpu",
        display_name="One GPU",
        description="PyTorch 2.9 with CUDA 12.8.",
        cpu=4,
        memory=16 * GIB,
        shm=4 * GIB,
        gpus=1,
        gpu_label="NVIDIA A100 40 GB",
        image="torchroom/pytorch:2.9.1-cu128",
        selected=False,
        options=(
            CardOption(
                "dtype",
                "Precision",
                (
                    ("fp32", "Single", True),
                    ("bf16", "Brain <16>", False),
                    (UNLISTED, "Other", False),
                ),
                unlisted_label="Other",
            ),
        ),
    ),
    Card(
        slug="big",
        display_name="Four GPUs",
        description="For the final project.",
        cpu=16,
        memory=64 * GIB,
        shm=16 * GIB,
        gpus=4,
        gpu_label="NVIDIA A100 40 GB",
        image="torchroom/pytorch:2.9.1-cu128",
        selected=False,
        available=False,
        unavailable_reason="This room has 2 GPUs; this choice needs 4. Choose another one.",
    ),
)


class ScriptedSpawner(Spawner):
    """``TEST_SCRIPT`` names a JSON file: ``seconds`` a stage, ``fail`` in words, ``refuse`` too.

    While it has ``waiting`` (the progress event's), a start waits for its GPU; ``no_cpu`` in
    words keeps it from going on without. ``ticket`` is said of the queue when no start waits.
    ``gpus`` is each profile's availability; ``lease`` is what a server is told of its own, and
    ``no_extension`` in words why it is not extended. ``home`` is how full the home
    is, or ``silent``. While it has ``hold_stop`` a stop goes on. A GPU is given back, unless
    ``no_return`` says in words why not. ``datasets`` are those to choose from, as ``_dataset``
    takes them, and ``preselected`` the names of some by a profile's title. Lessons are those of
    the room's own database; ``no_lesson`` says in words why none is started.
    ``environments`` are the classes that have one.
    """

    #: What handlers ask of the room's own; the hub has one for all its spawners.
    services = SimpleNamespace(restarting=set(), log=logging.getLogger(__name__))

    queue_grace = 1800.0
    _lab: Any = None
    _diverted = False
    _touched = 0
    _looked_at = 0

    def script(self) -> dict[str, Any]:
        path = Path(os.environ["TEST_SCRIPT"])
        found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return found

    def cards(self) -> list[Card]:
        chosen = (self.user_options or {}).get("profile", "cpu")
        cards = CARDS[: self.script().get("cards", len(CARDS))]
        return [dataclasses.replace(card, selected=card.slug == chosen) for card in cards]

    @default("options_form")
    def _default_options_form(self) -> Any:
        return pages.start_form

    def options_from_form(self, form_data: Any) -> dict[str, Any]:
        chosen = {
            key: values[0]
            for key, values in form_data.items()
            if not key.startswith(("_", DATASETS, DATASET_VERSION))
        }
        datasets = ticked(form_data)
        return {**chosen, DATASETS: datasets} if datasets else chosen

    async def dataset_offers(self) -> list[Offer]:
        script = self.script()
        visible = [_dataset(**told) for told in script.get("datasets", [])]
        profiles = [
            {"display_name": title, DATASETS: names}
            for title, names in script.get("preselected", {}).items()
        ]
        return offers(visible, self.user_options or {}, profiles)

    async def find_lesson(self, identity: str) -> Lesson | None:
        path = Path(os.environ["TEST_SCRIPT"]).parent / "state" / "torchroom.sqlite"
        store = Store(f"sqlite:///{path}")
        try:
            return Lessons(store, actor="hub").get(identity)
        except NoSuchLessonError:
            return None
        finally:
            store.close()

    async def lesson_options(self, lesson: Lesson) -> dict[str, Any]:
        return starting.options(lesson)

    async def lesson_refused(self, lesson: Lesson) -> Reject | None:
        refused = self.script().get("no_lesson")
        return Reject("test", refused) if refused else None

    async def what_runs(self) -> Runs:
        chosen = {"profile": "cpu", **(self.user_options or {})}
        names = (each.partition("@")[0] for each in chosen.get(DATASETS, ()))
        return Runs(chosen, frozenset(names))

    async def environment_offers(self) -> list[environments.Offer]:
        names = self.script().get("environments", [])
        return environments.offers(names, self.user_options or {})

    async def start(self) -> tuple[str, int]:
        script = self.script()
        self._began = time.monotonic()
        self._diverted = False
        self._stage = STAGES[0]
        if script.get("refuse"):
            raise Refusal(Reject("test", script["refuse"]), 503)
        for self._stage in STAGES:
            await self._take_time()
            while self._stage == "gpu" and self._waits():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            script = self.script()
            if script.get("fail") and self._stage == script.get("fail_at", "booting"):
                raise Refusal(Reject("test", script["fail"]), 500)
            if script.get("crash") and self._stage == script.get("fail_at", "booting"):
                raise RuntimeError("boom at /secret/path")
        return self._listen()

    async def _take_time(self) -> None:
        """Let the stage last; the script may change meanwhile."""
        began = time.monotonic()
        while time.monotonic() - began < self.script().get("seconds", 0.05):  # noqa: ASYNC110
            await asyncio.sleep(0.05)

    def _waits(self) -> bool:
        return bool(self.script().get("waiting")) and not self._diverted

    async def has_ticket(self) -> bool:
        return bool(self.script().get("ticket", self.pending == "spawn" and self._waits()))

    async def start_on_cpu(self) -> Reject | None:
        refused = self.script().get("no_cpu")
        if refused:
            return Reject("test", refused)
        self._diverted = True
        self.user_options = {"profile": "cpu"}
        self.orm_spawner.user_options = {"profile": "cpu"}
        self.db.commit()
        return None

    async def availability(self) -> dict[str, Availability]:
        found = self.script().get("gpus", {})
        return {slug: Availability(**said) for slug, said in found.items()}

    async def lease_status(self) -> dict[str, Any]:
        known: dict[str, Any] = self.script().get("lease", {})
        return {
            "server": self.name,
            "why": "",
            "notices": [],
            "touched": self._touched,
            "looked_at": self._looked_at,
            **known,
        }

    @property
    def owner(self) -> Owner:
        return Owner(self.user.name, self.name)

    async def give_gpu_back(self) -> dict[str, str] | Reject:
        refused = self.script().get("no_return")
        if refused:
            return Reject("test", refused)
        self.services.restarting.add(self.owner)
        return {"profile": "cpu"}

    def touch(self) -> None:
        self._touched += 1

    def look_at_page(self) -> None:
        self._looked_at += 1

    async def look_at_home(self) -> HomeUse | None:
        told = self.script().get("home")
        if told == "silent":
            raise AgentSilentError("no answer")
        return _home(told) if told else None

    async def home_warning(self) -> Reject | None:
        told = self.script().get("home")
        return warning(_home(told)) if told else None

    async def extend_lease(self) -> Reject | None:
        refused = self.script().get("no_extension")
        return Reject("test", refused) if refused else None

    def _listen(self) -> tuple[str, int]:
        # What a server finds in its environment.
        Path(f"token-{self.user.name}-{self.name}").write_text(self.api_token)
        sockets = netutil.bind_sockets(0, "127.0.0.1")
        base = self.server.base_url
        self._lab = httpserver.HTTPServer(web.Application([(rf"{base}.*", Lab)]))
        self._lab.add_sockets(sockets)
        return "127.0.0.1", int(sockets[0].getsockname()[1])

    async def progress(self) -> Any:
        shown: dict[str, Any] = {}
        while True:
            stage = getattr(self, "_stage", STAGES[0])
            told = {"stage": stage, "message": f"Stage {stage}"}
            if stage == "gpu" and self._waits():
                told["waiting"] = self.script()["waiting"]
            if told != shown:
                shown = told
                yield {
                    "progress": 10 + 20 * STAGES.index(stage),
                    "elapsed": round(time.monotonic() - self._began, 1),
                    **told,
                }
            await asyncio.sleep(0.05)

    async def poll(self) -> int | None:
        return None if self._lab else 0

    async def stop(self, now: bool = False) -> None:
        await asyncio.sleep(self.script().get("stop_seconds", 0))
        while self.script().get("hold_stop"):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        if self._lab:
            self._lab.stop()
            self._lab = None


def _dataset(
    name: str, description: str = "", licence: str = "", versions: int = 1, files: int = 1
) -> Dataset:
    made = datetime(2026, 9, 1, tzinfo=timezone.utc)
    numbers = range(versions, 0, -1)
    listed = tuple(Version(n, "d" * 64, 10**6 * n, files, made, "root") for n in numbers)
    return Dataset(name, description, licence, "", "root", made, (), listed)


def _home(told: dict[str, Any]) -> HomeUse:
    return homeuse.loads(json.dumps({"measured_at": None, "largest": [], **told}))


class Lab(web.RequestHandler):
    """What runs in the server."""

    def get(self) -> None:
        self.write("<!doctype html><title>Lab</title><h1>The lab</h1>")
