"""A small image to build environments on, with Python and pip as in the PyTorch image.

Its PyTorch is a name and a version. The engine takes seconds to compare a container with the real
one, and one test does so.
"""

from __future__ import annotations

import os

import docker

#: Of this process alone: it is removed at its end, while another one goes on with its tests.
TAG = f"torchroom/small-base:tests-{os.getpid()}"
#: A distribution of torch, with its record, so that pip and we find it.
_MAKE = """
set -e
/usr/bin/python3 "$(echo /usr/share/python-wheels/pip-*.whl)/pip" install --quiet --no-index \
  --find-links=/usr/share/python-wheels --break-system-packages pip
rm /usr/lib/python3*/EXTERNALLY-MANAGED
cd /usr/local/lib/python3*/dist-packages
mkdir torch torch-2.9.1.dist-info
echo "__version__ = '2.9.1'" > torch/__init__.py
printf 'Metadata-Version: 2.1\\nName: torch\\nVersion: 2.9.1\\n' > torch-2.9.1.dist-info/METADATA
printf 'torch/__init__.py,,\\ntorch-2.9.1.dist-info/METADATA,,\\n' > torch-2.9.1.dist-info/RECORD
printf '#!/bin/sh\\nexec python3 -m http.server 8888\\n' > /usr/local/bin/jupyterhub-singleuser
chmod +x /usr/local/bin/jupyterhub-singleuser
"""
_CHANGES = [
    "ENV PATH=/usr/local/bin:/usr/bin:/bin",
    "USER 1000:100",
    "WORKDIR /home",
    'CMD ["jupyterhub-singleuser"]',
]


def make(client: docker.DockerClient, room_image: str) -> str:
    """Return the image's tag, made once of the control plane's image."""
    container = client.containers.run(
        room_image, ["bash", "-c", _MAKE], user="0:0", network_mode="none", detach=True
    )
    try:
        ended = container.wait()
        assert ended["StatusCode"] == 0, container.logs().decode()
        repository, _, tag = TAG.rpartition(":")
        container.commit(repository, tag, changes=_CHANGES)
    finally:
        container.remove(force=True)
    return TAG
