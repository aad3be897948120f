"""RoomSpawner's settings of plans: who may have how much."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter, ValidationError
from traitlets import HasTraits, List, TraitError, Unicode, validate

from room.plans.book import Plans
from room.settings.plans import PlanSection, ZoneName, limits_of
from room.store import Store

_SECTIONS = TypeAdapter(list[PlanSection])
_ZONE = TypeAdapter(ZoneName)


class PlanTraits(HasTraits):
    """Limits of the room, of classes (JupyterHub groups) and of users."""

    plans = List(
        config=True,
        help="""Who may have how much: dicts with ``who``, ``limits``, and ``since`` and ``until``.

        What is set while the room runs, with ``room plan set``, counts more. The limits are in
        the reference of plans.

        Example::

            c.RoomSpawner.plans = [
                {"who": ["class/ml101"], "limits": {"gpus": 1, "gpu_hours": "20/week"}},
                {"who": ["user/alice"], "until": "2027-02-15", "limits": {"memory": "16G"}},
            ]

        .. versionadded:: 0.1
        """,
    )

    timezone = Unicode(
        "UTC",
        config=True,
        help="""By whose midnight days, weeks and months begin, such as ``Europe/Berlin``.

        .. versionadded:: 0.1
        """,
    )

    @validate("plans")
    def _valid_plans(self, proposal: Any) -> list[Any]:
        try:
            _SECTIONS.validate_python(proposal.value)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise TraitError(f"plans[{place}]: {first['msg']}") from None
        found: list[Any] = proposal.value
        return found

    @validate("timezone")
    def _valid_timezone(self, proposal: Any) -> str:
        try:
            return _ZONE.validate_python(proposal.value)
        except ValidationError as error:
            raise TraitError(error.errors()[0]["msg"]) from None

    def open_plans(self, store: Store) -> Plans:
        """Return the room's plans: these, and what was set while it ran."""
        zone = ZoneInfo(self.timezone)
        written = limits_of(_SECTIONS.validate_python(self.plans), zone)
        return Plans(store, written, zone=zone)
