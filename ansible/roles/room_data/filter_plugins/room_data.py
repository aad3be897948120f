"""What getent says, as name=number."""

from __future__ import annotations

from typing import Any


def holder(entry: dict[str, Any]) -> str:
    """Return ``name=number`` of one entry of getent's answer; "" where nobody is."""
    fields = entry["value"]
    return f"{entry['key']}={fields[1]}" if fields else ""


class FilterModule:
    """The filters of this role."""

    def filters(self) -> dict[str, Any]:
        return {"room_data_holder": holder}
