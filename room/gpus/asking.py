"""What a profile says about GPUs → the request that the queue knows. Pure."""

from __future__ import annotations

from room.gpus.requests import GPURequest

MIB = 1024**2


def request(
    count: int,
    kind: str = "any",
    model: str = "",
    memory: int | None = None,
    mig_profile: str = "",
) -> GPURequest | None:
    """Return what to ask for; None when it is nothing. ``memory`` in bytes, of each unit.

    A MIG profile asks for a MIG instance, whatever else was said of the kind.
    """
    if count < 1:
        return None
    return GPURequest(
        count=count,
        kind="mig" if mig_profile else kind,
        model=model,
        # Rounded up: who asks for a byte more than a card has does not get that card.
        memory_mib=-(-(memory or 0) // MIB),
        mig_profile=mig_profile,
    )
