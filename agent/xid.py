"""Xid events: what a card's driver reports as wrong with it, told by NVML as it happens."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Any

#: Xids after which a card cannot be used until it is reset or replaced, with what they mean.
#: Source: NVIDIA's Xid catalog (docs.nvidia.com/deploy/xid-errors), those whose immediate action is
#: to reset the GPU, to restart the machine or to contact support. Left out on purpose, because a
#: student's own program can cause them: 13, 31, 43, 45, 68 and 109, which NVIDIA's device plugin
#: for Kubernetes passes over too, and 94, a contained memory error, which ends one program only.
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
}
#: Milliseconds of one wait, and seconds until the next try when NVML refuses.
WAIT, PAUSE = 5000, 5.0
#: NVML's answer to a wait in which nothing happened.
TIMEOUT = 10


def words(number: int) -> str:
    """Return why a card is sick that reported this fatal Xid."""
    return (
        f"Xid {number} ({FATAL[number]}): reset the GPU (nvidia-smi --gpu-reset) or reboot, then "
        "restart the agent"
    )


class XidWatch:
    """Listens on a thread of its own, because NVML's wait blocks.

    What was heard is kept until the agent ends: a card that is reset says nothing of it.
    """

    def __init__(self, nvml: Any, log: logging.Logger) -> None:
        self._nvml = nvml
        self._log = log
        self._heard: dict[str, str] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="xid", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(WAIT / 1000 + 1)

    def sick(self) -> Mapping[str, str]:
        """Return the cards that reported a fatal Xid, by UUID, each with why."""
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
            if not self._register(events):
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

    def _register(self, events: Any) -> int:
        """Ask every card to report; return how many will."""
        nvml, count = self._nvml, 0
        for index in range(nvml.nvmlDeviceGetCount()):
            try:
                handle = nvml.nvmlDeviceGetHandleByIndex(index)
                nvml.nvmlDeviceRegisterEvents(handle, nvml.nvmlEventTypeXidCriticalError, events)
            except nvml.NVMLError as error:
                self._log.info("GPU %s reports no Xids: %s", index, error)
            else:
                count += 1
        return count

    def _hear(self, event: Any) -> None:
        number = int(event.eventData)
        try:
            uuid = self._nvml.nvmlDeviceGetUUID(event.device)
        except self._nvml.NVMLError as error:
            # The card does not even say who it is: its next reading finds it lost.
            self._log.error("Xid %s of a GPU that does not answer: %s", number, error)
            return
        name = uuid.decode() if isinstance(uuid, bytes) else uuid
        self._log.warning("Xid %s of %s", number, name)
        if number in FATAL:
            self._heard.setdefault(name, words(number))
