"""Xid events: what a card's driver reports as wrong with it, told by NVML as it happens."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from room.models import Xid

#: Xids after which a card cannot be used until it is reset or replaced, with what they mean.
#: Source: NVIDIA's Xid catalog (docs.nvidia.com/deploy/xid-errors), those whose immediate action is
#: to reset the GPU or to restart the machine, and 48 and 74, whose workflows end there. Left out on
#: purpose are
#: - what a student's own program can cause: 13, 31, 43, 45, 68 and 109, which NVIDIA's device
#:   plugin for Kubernetes passes over too, and 94, a contained memory error, which ends one
#:   program only;
#: - 155, which links report too when they are put to sleep, and 144 to 150, whose number alone does
#:   not say whether they are fatal: what is, brings a 48 with it;
#: - 154, which only repeats what another Xid calls for.
FATAL = {
    46: "GPU stopped processing",
    48: "double-bit memory error",
    62: "internal micro-controller halt",
    64: "a memory row could not be remapped",
    74: "NVLink error",
    79: "GPU has fallen off the bus",
    95: "uncontained memory error",
    110: "security fault",
    119: "no answer of the GPU's system processor",
    120: "error of the GPU's system processor",
    136: "link training failed",
    140: "unrecovered memory error",
    143: "GPU initialization error",
    156: "a faulty part was retired",
    158: "fatal timeout",
}
#: Milliseconds of one wait, and seconds until the next try when NVML refuses.
WAIT, PAUSE = 5000, 5.0
#: NVML's answer to a wait in which nothing happened.
TIMEOUT = 10


def words(number: int) -> str:
    """Return why a card is sick that reported this fatal Xid, and how it comes back."""
    meaning = FATAL.get(number, "fatal")
    return (
        f"Xid {number} ({meaning}): reset the GPU (nvidia-smi --gpu-reset) or reboot, restart the "
        "agent, then room gpu undrain"
    )


class XidWatch:
    """Listens on a thread of its own, because NVML's wait blocks.

    What a card said last is kept until the agent ends: a card that is reset says nothing of it.
    """

    def __init__(self, nvml: Any, log: logging.Logger) -> None:
        self._nvml = nvml
        self._log = log
        self._heard: dict[str, Xid] = {}
        #: The cards that were asked to report, by UUID.
        self._handles: dict[str, Any] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="xid", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(WAIT / 1000 + 1)

    def reported(self) -> Mapping[str, Xid]:
        """Return the cards that reported a fatal Xid, by UUID, each with the newest."""
        return dict(self._heard)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._nvml.nvmlInit()
            except self._nvml.NVMLError:
                self._stop.wait(PAUSE)  # no driver yet; what reads the cards says so
                continue
            try:
                self._listen()
            except self._nvml.NVMLError as error:
                self._log.warning("Listening for Xids ended, and begins again: %s", error)
                self._stop.wait(PAUSE)
            finally:
                self._close()

    def _close(self) -> None:
        try:
            self._nvml.nvmlShutdown()
        except self._nvml.NVMLError:
            return  # it was gone already

    def _listen(self) -> None:
        nvml = self._nvml
        events = nvml.nvmlEventSetCreate()
        try:
            self._handles = self._register(events)
            if not self._handles:
                self._stop.wait()  # no card tells: there is nothing to wait for
            while not self._stop.is_set():
                try:
                    event = nvml.nvmlEventSetWait_v2(events, WAIT)
                except nvml.NVMLError as error:
                    if error.value != TIMEOUT:
                        raise
                else:
                    self._hear(event)
        finally:
            nvml.nvmlEventSetFree(events)

    def _register(self, events: Any) -> dict[str, Any]:
        """Ask every card to report; return those that will."""
        nvml, handles = self._nvml, {}
        for index in range(nvml.nvmlDeviceGetCount()):
            try:
                handle = nvml.nvmlDeviceGetHandleByIndex(index)
                nvml.nvmlDeviceRegisterEvents(handle, nvml.nvmlEventTypeXidCriticalError, events)
            except nvml.NVMLError as error:
                self._log.info("GPU %s reports no Xids: %s", index, error)
            else:
                handles[self._uuid(handle)] = handle
        return handles

    def _hear(self, event: Any) -> None:
        number = int(event.eventData)
        names = self._names(event.device)
        self._log.warning("Xid %s of %s", number, " or ".join(names) or "a GPU that is not known")
        if number in FATAL:
            self._heard.update((name, Xid(number, uuid4().hex)) for name in names)

    def _names(self, device: Any) -> list[str]:
        """Return whose event it is. A card that fell off the bus may not even say who it is: then
        it is one of those that do not any more.
        """
        named = self._uuid(device)
        if named:
            return [named]
        return [name for name, handle in self._handles.items() if not self._uuid(handle)]

    def _uuid(self, device: Any) -> str:
        """Return a card's UUID; empty when it does not answer."""
        try:
            told = self._nvml.nvmlDeviceGetUUID(device)
        except self._nvml.NVMLError:
            return ""
        return str(told.decode() if isinstance(told, bytes) else told)
