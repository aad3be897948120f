"""Which of an engine's errors are a GPU's, and not the server's."""

from __future__ import annotations

import re

#: What engines and NVIDIA's toolkit say when a device cannot be given to a container; all of it
#: comes when a container is started, not when it is made (facts on GPUs and Docker, section 2).
_DEVICE_ERROR = re.compile(
    r"CDI device injection failed"
    r"|unresolvable CDI devices"
    r"|could not select device driver"
    r"|nvidia-container-cli"
    r"|error gathering device information"
    r"|unknown or invalid runtime name: nvidia",
    re.IGNORECASE,
)


def is_device_error(message: str) -> bool:
    """Say whether a start that failed with this message failed because of its GPUs."""
    return _DEVICE_ERROR.search(message) is not None
