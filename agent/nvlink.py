"""Which cards reach each other by NVLink."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any


def links(
    nvml: Any, handles: Mapping[str, Any], not_told: Collection[int]
) -> dict[str, tuple[str, ...]]:
    """Return the UUIDs that each card reaches by NVLink, directly or through a switch.

    ``handles`` is by UUID. A link that does not tell where it leads leads nowhere: placement is
    better with it, and works without.
    """
    peers: dict[str, set[str]] = {uuid: set() for uuid in handles}
    switched: set[str] = set()
    places: dict[str, str] = {}
    try:
        places = {_place(nvml.nvmlDeviceGetPciInfo(handle)): u for u, handle in handles.items()}
    except nvml.NVMLError:
        return {}
    for uuid, handle in handles.items():
        for link in range(nvml.NVML_NVLINK_MAX_LINKS):
            try:
                if nvml.nvmlDeviceGetNvLinkState(handle, link) != nvml.NVML_FEATURE_ENABLED:
                    continue
                kind = nvml.nvmlDeviceGetNvLinkRemoteDeviceType(handle, link)
                if kind == nvml.NVML_NVLINK_DEVICE_TYPE_SWITCH:
                    switched.add(uuid)
                elif kind == nvml.NVML_NVLINK_DEVICE_TYPE_GPU:
                    there = _place(nvml.nvmlDeviceGetNvLinkRemotePciInfo(handle, link))
                    peers[uuid] |= {places[there]} if there in places else set()
            except nvml.NVMLError as error:
                if error.value in not_told or error.value == 2:
                    break  # no such link, and none after it
    for uuid in switched:
        peers[uuid] |= switched - {uuid}
    return {uuid: tuple(sorted(reached)) for uuid, reached in peers.items() if reached}


def _place(pci: Any) -> str:
    """Return a place on the bus in one spelling: NVML writes the domain with 4 or 8 digits."""
    text = pci.busId.decode() if isinstance(pci.busId, bytes) else str(pci.busId)
    domain, _, rest = text.lower().partition(":")
    return f"{domain.lstrip('0')}:{rest}"
