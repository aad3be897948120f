"""``python -m agent``: serve homes on the control network."""

from __future__ import annotations

import os
from pathlib import Path

import uvicorn

from agent.app import make_app

PORT = 8010


def main() -> None:
    data_root = Path(os.environ["ROOM_DATA_ROOT"])
    token = (data_root / "state" / "secrets" / "agent_token").read_text().strip()
    # Hub and console reach it by name on the control network, where no student is.
    uvicorn.run(make_app(data_root, token), host="0.0.0.0", port=PORT, access_log=False)  # noqa: S104


if __name__ == "__main__":
    main()
