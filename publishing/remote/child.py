"""The worker's side of a fetcher: starts it, asks it, and ends it when it is of no use."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from publishing.remote.frames import DATA, END, ENTRY, HEAD, MOST, START, WRONG
from publishing.remote.wrong import WrongError
from room.datasets.addresses import Rules, Wanted

#: Seconds in which a fetcher ends that is not asked any more.
END_WITHIN = 5.0
#: Seconds between two looks at whether it is to stop.
PULSE = 0.25
#: Seconds that a server may be waited for until it has sent so many bytes more.
PATIENCE, LEAST = 90.0, 32 * 1024
#: Of the environment, what says how the world is reached and who is trusted in it.
PASSED = frozenset(
    {"http_proxy", "https_proxy", "all_proxy", "no_proxy", "hf_endpoint"}
    | {"ssl_cert_file", "ssl_cert_dir", "requests_ca_bundle"}
)
#: As which user a publication's addresses are asked; as the worker's own where it is not set.
USER = "ROOM_FETCH_USER"

_READ = 1 << 18


class Fetching:
    """One fetcher, which is started when it is first asked.

    ``pulse`` is called several times a second while it is waited for, and may raise.
    """

    def __init__(self, wanted: Wanted, rules: Rules | None, pulse: Callable[[], None]) -> None:
        self._told = {
            **wanted.as_dict(),
            "rules": rules and {"protocols": rules.protocols, "hosts": rules.hosts},
            "user": _user(),
        }
        self._guarded = rules is not None
        self._shown, self.pulse = wanted.shown, pulse
        self._process: _Process | None = None
        self._buffer = bytearray()
        self._waited, self._got = 0.0, 0

    def list(self, address: int) -> Iterator[Mapping[str, Any]]:
        """Yield the files at an address, as they are told. Raises ``WrongError``."""
        for kind, content in self._ask(address, {}):
            if kind == ENTRY:
                yield json.loads(content)

    def read(self, address: int, found: Mapping[str, Any], start: int) -> Iterator[int | bytes]:
        """Yield where reading begins, and then the file from there on. Raises ``WrongError``."""
        for kind, content in self._ask(address, {"read": found, "start": start}):
            if kind == START:
                yield int(json.loads(content))
            elif kind == DATA:
                yield content

    def close(self) -> None:
        if self._process is None:
            return
        self._process.close()
        self._process = None
        self._buffer.clear()

    # -- parts -------------------------------------------------------------------------------

    def _ask(self, address: int, request: Mapping[str, Any]) -> Iterator[tuple[bytes, bytes]]:
        over = False
        self._waited, self._got = 0.0, 0
        try:
            for kind, content in self._answer({"address": address, **request}):
                if kind == WRONG:
                    over = True
                    raise WrongError(str(json.loads(content)), self._shown[address])
                if kind == END:
                    over = True
                    return
                yield kind, content
        except (ValueError, BrokenPipeError) as error:
            over = False
            raise WrongError("odd", self._shown[address]) from error
        except WrongError as wrong:
            raise WrongError(wrong.why, self._shown[address]) from wrong
        finally:
            if not over:
                # What it would say now is the answer to what nobody wants to know any more.
                self.close()

    def _answer(self, told: Mapping[str, Any]) -> Iterator[tuple[bytes, bytes]]:
        if self._process is None or not self._process.lives:
            self.close()
            self._process = _Process(_alone(os.environ) if self._guarded else None)
            self._process.tell(self._told)
        self._process.tell(told)
        yield from self._frames(self._process.out)

    def _frames(self, pipe: int) -> Iterator[tuple[bytes, bytes]]:
        while True:
            kind, length = HEAD.unpack(self._exactly(pipe, HEAD.size))
            if length > MOST:
                raise ValueError("a fetcher's frame is too long")
            yield kind, self._exactly(pipe, length)

    def _exactly(self, pipe: int, count: int) -> bytes:
        while len(self._buffer) < count:
            self._wait(pipe)
            piece = os.read(pipe, _READ)
            if not piece:
                raise WrongError("cut")
            self._buffer += piece
            self._got += len(piece)
            if self._got >= LEAST:
                self._waited, self._got = 0.0, 0
        found = bytes(self._buffer[:count])
        del self._buffer[:count]
        return found

    def _wait(self, pipe: int) -> None:
        """Return when it says something. A server that sends a byte now and then is none."""
        while True:
            begun = time.monotonic()
            said = select.select([pipe], [], [], PULSE)[0]
            self._waited += time.monotonic() - begun
            if said:
                return
            self.pulse()
            if self._waited > PATIENCE:
                raise WrongError("slow" if self._got else "silent")


class _Process:
    """A process that is told lines, and answers in frames."""

    def __init__(self, environment: Mapping[str, str] | None) -> None:
        asked, self._asks = os.pipe()
        self.out, answers = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "publishing.remote.fetcher"],
            stdin=asked,
            stdout=answers,
            # What libraries complain of may have an address with a password in it.
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        os.close(asked)
        os.close(answers)

    @property
    def lives(self) -> bool:
        return self._process.poll() is None

    def tell(self, told: Mapping[str, Any]) -> None:
        left = memoryview(json.dumps(told).encode() + b"\n")
        while left:
            left = left[os.write(self._asks, left) :]

    def close(self) -> None:
        # It ends by itself when nobody asks: as another user it may not be ours to kill.
        with suppress(PermissionError):
            self._process.kill()
        os.close(self._asks)
        os.close(self.out)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(END_WITHIN)


def _user() -> int | None:
    text = os.environ.get(USER, "")
    return int(text) if text else None


def _alone(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which no library finds anything of this host's to let it in."""
    kept = {key: value for key, value in environment.items() if key.lower() in PASSED}
    return {
        **kept,
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "LANG": "C.UTF-8",
        "HOME": "/nonexistent",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
    }
