"""RoomSpawner's settings of the queue and of leases."""

from __future__ import annotations

from jupyterhub.traitlets import ByteSpecification
from traitlets import CaselessStrEnum, Dict, Float, HasTraits, Integer, Unicode

from room.gpus.events import Policy


class QueueTraits(HasTraits):
    """How GPUs are shared between those who want them. Times are in seconds."""

    gpu_kind = CaselessStrEnum(
        ["any", "gpu", "mig", "seat"],
        default_value="any",
        config=True,
        help="""Which units: ``gpu`` whole cards, ``mig`` MIG instances, ``seat`` seats of a shared
        GPU, ``any`` a card or a MIG instance but never a seat.

        .. versionadded:: 0.1
        """,
    )

    gpu_model = Unicode(
        "",
        config=True,
        help="""A part of the card's name that each unit must have, in any case: ``A100``.

        .. versionadded:: 0.1
        """,
    )

    gpu_memory = ByteSpecification(
        0,
        config=True,
        help="""Memory that each unit must have at least, such as ``20G``.

        .. versionadded:: 0.1
        """,
    )

    mig_profile = Unicode(
        "",
        config=True,
        help="""The MIG profile that each unit must have, such as ``1g.10gb``.

        .. versionadded:: 0.1
        """,
    )

    queue_half_life = Float(
        24 * 3600.0,
        min=60,
        config=True,
        help="""Seconds after which what somebody has used counts half in the queue's order.

        Short: the order soon forgets who used much. Long: it evens out over weeks.

        .. versionadded:: 0.1
        """,
    )

    queue_max_wait = Float(
        4 * 3600.0,
        min=60,
        config=True,
        help="""Seconds after which someone who waits goes first, whatever they have used.

        It counts once somebody else was served twice meanwhile.

        .. versionadded:: 0.1
        """,
    )

    queue_grace = Float(
        1800.0,
        min=1,
        config=True,
        help="""Seconds for which a place in the queue is kept when nobody looks at its page.

        .. versionadded:: 0.1
        """,
    )

    queue_api_grace = Float(
        12 * 3600.0,
        min=1,
        config=True,
        help="""The same for a start that was asked for over REST, where there is no page.

        .. versionadded:: 0.1
        """,
    )

    queue_give_up = Float(
        24 * 3600.0,
        min=60,
        config=True,
        help="""Seconds after which waiting ends in words. ``start_timeout`` has to be longer.

        .. versionadded:: 0.1
        """,
    )

    class_weights = Dict(
        config=True,
        help="""Class (JupyterHub group) to its share of the GPUs against other classes; else 1.

        Example::

            c.RoomSpawner.class_weights = {"ml101": 2, "guests": 0.5}

        .. versionadded:: 0.1
        """,
    )

    gpu_rates = Dict(
        config=True,
        help="""What an hour of a unit counts towards ``gpu_hours``: 1 where nothing is said.

        By a part of the card's name, a MIG profile, or ``seat``. A seat of which nothing is said
        counts as its part of the card. A lease keeps what held when it was granted.

        Example::

            c.RoomSpawner.gpu_rates = {"A100": 2, "1g.10gb": 0.25, "seat": 0.1}

        .. versionadded:: 0.1
        """,
    )

    gpu_cap = Integer(
        0,
        min=0,
        config=True,
        help="""Units that one person may hold at once, in all servers. 0: no limit.

        .. versionadded:: 0.1
        """,
    )

    lease = Float(
        0.0,
        min=0,
        config=True,
        help="""Seconds for which GPUs are leased, unless the profile says otherwise. 0: no end.

        At the end the server is stopped; its home stays. It can be kept longer when nobody
        waits, up to ``max_session``.

        .. versionadded:: 0.1
        """,
    )

    max_session = Float(
        24 * 3600.0,
        min=60,
        config=True,
        help="""Seconds after which a lease cannot be kept any longer.

        .. versionadded:: 0.1
        """,
    )

    def policy(self) -> Policy:
        return Policy(
            half_life=self.queue_half_life,
            max_wait=self.queue_max_wait,
            weights={str(name): float(weight) for name, weight in self.class_weights.items()},
        )
