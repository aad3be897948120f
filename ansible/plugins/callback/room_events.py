"""One line of JSON for each thing that happens: what ``room up`` shows its progress from."""

from __future__ import annotations

import json
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
    name: room_events
    type: stdout
    short_description: events as lines of JSON
    description:
      - Each line has an event, the host and the task's name. Events are task, ok, changed, note,
        skipped, item, failed, unreachable and end.
      - A failure also has its message and output. What no_log hides stays hidden.
    extends_documentation_fragment:
      - default_callback
"""

#: What of a task's result says why it failed.
TOLD = ("msg", "stderr", "stdout", "cmd", "rc", "status", "censored")


class CallbackModule(CallbackBase):
    """Writes events to standard output."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "room_events"

    def _event(self, event: str, **details: Any) -> None:
        self._display.display(json.dumps({"event": event, **details}, default=str))

    def _result(self, event: str, result: Any, **details: Any) -> None:
        host, task = result._host.get_name(), result._task.get_name().strip()
        self._event(event, host=host, task=task, **details)

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self._event("task", task=task.get_name().strip())

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        self._event("task", task=task.get_name().strip())

    def v2_runner_on_ok(self, result: Any) -> None:
        if result._task.action in ("debug", "ansible.builtin.debug"):
            self._result("note", result, msg=result._result.get("msg", ""))
            return
        self._result("changed" if result._result.get("changed") else "ok", result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._result("skipped", result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._result("failed", result, ignored=bool(ignore_errors), **_why(result._result))

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._result("unreachable", result, ignored=False, **_why(result._result))

    def v2_runner_item_on_failed(self, result: Any) -> None:
        self._result("item", result, **_why(result._result))

    def v2_playbook_on_stats(self, stats: Any) -> None:
        hosts = {host: stats.summarize(host) for host in sorted(stats.processed)}
        self._event("end", hosts=hosts)


def _why(result: dict[str, Any]) -> dict[str, Any]:
    if result.get("_ansible_no_log") or "censored" in result:
        return {"msg": "the details hold something secret, and are not shown"}
    return {key: result[key] for key in TOLD if result.get(key) not in (None, "", [])}
