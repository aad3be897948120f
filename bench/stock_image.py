"""The peer's image: JupyterHub's single-user server and JupyterLab as pip installs them."""

from __future__ import annotations

from collections.abc import Callable

from engine import build, images, site
from room.settings import Settings

_SPEC = images.ImageSpec(
    "stock",
    {
        "Dockerfile": "bench/stock/Dockerfile",
        "requirements.txt": "bench/stock/requirements.txt",
    },
    disk=1000**3,
    needs=("debian", "pypi"),
)


def ensure(settings: Settings, say: Callable[[str], None]) -> str:
    """Build the image if it is missing, and return its tag, which follows from its contents."""
    base = images.ensure(settings, ["base"], say)["base"]
    context = images.read_context(_SPEC, images.ROOT, {})
    tag = f"torchroom/bench-stock:{images.digest(context, {}, base)}"
    engine = build.Docker(settings.engine_socket)
    if tag not in engine.tags():
        engine.require_disk(_SPEC.disk)
        here = site.require(site.of(settings), _SPEC.needs, settings.images.cuda)
        engine.build(
            tag,
            images.tar(context),
            {"BASE": base},
            here.secrets(settings.images.cuda),
            log=images.ROOT / "build" / "bench-stock.log",
            say=say,
            site=here,
        )
    return tag
