"""``python -m agent``: homes, GPUs, and what servers use; ``--once`` prints what there is of GPUs.

``--once`` needs nothing but NVML and, to tell servers, the engine: it is also how ``room doctor``
and ``room up`` look at the cards.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from agent.gpus import Options, accountant, room_name, sampler, settings_of, versions

if TYPE_CHECKING:
    from agent.environments import Builds

PORT = 8010


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m agent", description="The room's agent.")
    parser.add_argument(
        "--once", action="store_true", help="print inventory and use as JSON, and end"
    )
    options = Options.from_environment(os.environ)
    if parser.parse_args().once:
        print(json.dumps(sampler(options, listen=False).sample().as_dict(), indent=2))
        return
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    serve(options)


def serve(options: Options) -> None:
    # The host's environment, where --once runs too, has no web server.
    import uvicorn

    from agent.app import make_app
    from agent.checks import Checks
    from agent.homes import Homes
    from agent.publications import Publications

    data_root = Path(os.environ["ROOM_DATA_ROOT"])
    secrets = data_root / "state" / "secrets"
    token = (secrets / "agent_token").read_text().strip()
    publisher = publishers_token(secrets)
    counts = accountant(options)
    counts.start()
    looks = sampler(options, listen=True, counts=counts)
    looks.start()
    homes = Homes.at(data_root / "homes", options.state)
    key = options.state / "publications.key" if options.state else None
    publications = Publications(data_root / "datasets", key)
    app = make_app(
        data_root,
        token,
        looks,
        homes,
        counts=counts,
        publications=publications,
        publisher=publisher,
        versions=versions(options, data_root / "datasets"),
        checks=Checks(data_root / "datasets"),
        builds=builder(options, os.environ),
        rules=settings_of(options).datasets.rules,
    )
    # Hub and console reach it by name on the control network, where no student is.
    uvicorn.run(app, host="0.0.0.0", port=PORT, access_log=False)  # noqa: S104


def builder(options: Options, environment: Mapping[str, str]) -> Builds | None:
    """Return what builds environments of classes; None: the agent is told of no image, or engine.

    What an older release left names no image until the next ``room up``.
    """
    from agent.environments import Builds, site_reader
    from engine.buildsite import FILE
    from engine.workshop import Workshop

    image = environment.get("PYTORCH_IMAGE")
    if not image or options.state is None or options.socket is None:
        return None
    name = room_name(options)
    return Builds(
        options.state / "environments",
        Workshop(f"unix://{options.socket}", name),
        site_reader(options.state / FILE),
        room=name,
        image=image,
    )


def publishers_token(secrets: Path) -> str:
    """Return the token of who may ask for publications; empty: nobody, and the rest goes on.

    What an older release left has none until the next ``room up``. Where a file is missing, the
    engine may have made a directory of its name to mount.
    """
    path = secrets / "publisher_token"
    if path.is_file():
        return path.read_text().strip()
    logging.getLogger(__name__).warning("No publisher_token: room up makes it")
    return ""


if __name__ == "__main__":
    main()
