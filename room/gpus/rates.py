"""What a unit counts towards a budget of GPU-hours, against one whole card. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from room.models import GPUUnit


def rate(unit: GPUUnit, rates: Mapping[str, float], units: Iterable[GPUUnit] = ()) -> float:
    """Return the GPU-hours that an hour of one unit counts; 1 where nothing is said.

    ``rates``: ``seat``, a MIG profile, or a part of a card's name → hours. The most particular one
    counts: the kind or MIG profile first, then the longest part of the name. A seat of which
    nothing is said is its part of the card; ``units`` are all there are, and tell how many
    seats that card has.
    """
    said = {name.casefold(): value for name, value in rates.items()}
    own = "seat" if unit.kind == "seat" else unit.mig_profile.casefold()
    if own and own in said:
        return said[own]
    model = unit.model.casefold()
    fitting = [name for name in said if name != "seat" and name in model]
    card = said[max(fitting, key=len)] if fitting else 1.0
    if unit.kind != "seat":
        return card
    return card / max(1, sum(each.parent == unit.parent for each in units if each.kind == "seat"))
