"""Who may go before their turn: requests for several units, when as many are free together.

To gather units one by one leaves those idle that came first. Units that come free together, as
when a server that had several ends, are worth more to who needs several than to who is next and
needs one. So who needs several may have them early, within two bounds:

- Nobody is passed twice by the same person once they have waited ``max_wait``: who was served
  since then does not go before them.
- Unless they waited too long, who goes early has used at most what one lease of theirs costs more
  than the first has, and so has their class. So in the long run nobody has more for it. A lease
  without an end buys nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from room.gpus.events import Ticket
from room.gpus.state import State


def early(
    state: State, passed: Ticket, late: Sequence[Ticket], order: Sequence[Ticket]
) -> Iterator[Ticket]:
    """Yield who may go before ``passed``, whose turn it is, first who should.

    ``late``: who waited too long; ``order``: the first of each class and shape.
    """
    since = state.waits_since(passed) + state.policy.max_wait
    for ticket in (*late, *_near_the_front(state, order)):
        if ticket.request.count > 1 and state.waits_since(ticket) <= since:
            yield ticket


def _near_the_front(state: State, order: Sequence[Ticket]) -> Iterator[Ticket]:
    """Yield who is behind the first of all, and of their class, by no more than one lease."""
    reading, weight = state.clock.reading(state.now), state.policy.weight
    first_of: dict[str, int] = {}
    least: float | None = None
    for ticket in order:
        used_by_class = state.group_account(ticket.group).amount(reading)
        used = state.account(ticket.user, ticket.group).amount(reading)
        if least is None:
            least = used_by_class / weight(ticket.group)
        first = first_of.setdefault(ticket.group, used)
        length = ticket.lease_seconds or 0.0
        cost = ticket.request.count * (state.clock.reading(state.now + length) - reading)
        if used - cost <= first and (used_by_class - cost) / weight(ticket.group) <= least:
            yield ticket
