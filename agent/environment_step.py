"""Runs inside a build's container, as root, on the image's own Python: one step of a build.

    step.py resolve     says which packages pip would install: JSON on standard output
    step.py install     installs the lock

Alone on purpose: nothing but the standard library is there. What people read goes to standard
error. Of the packages nothing runs: pip unpacks wheels, and no other Python starts behind it.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

#: What the agent has put there, read-only; and a place that no image keeps.
SITE, BUILD = Path("/run/site"), Path("/run/build")
#: Bytes of disk that must be free before a build, and those that it leaves free.
NEEDED, FLOOR = 3 * 1024**3, 1024**3
#: PyTorch and CUDA: they stay what they are.
FAMILY = re.compile(r"torch|torchvision|torchaudio|triton|nvidia-.+", re.IGNORECASE)
#: Packages whose folder others of their kind have parts in, too.
SHARED = ("nvidia",)


def main() -> int:
    if shutil.disk_usage("/").free < NEEDED:
        say("Too little disk is left where the engine keeps its images.")
        return 1
    return {"resolve": resolve, "install": install}[sys.argv[1]]()


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def environment() -> dict[str, str]:
    """Return what pip runs with; the proxies may hold passwords, and are in no command line."""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(BUILD),
        "TMPDIR": str(BUILD),
        "LANG": "C.UTF-8",
        "PIP_CONFIG_FILE": str(SITE / "pip.conf"),
        "PIP_NO_INPUT": "1",
        "PIP_NO_CACHE_DIR": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_PROGRESS_BAR": "off",
        "PIP_NO_COLOR": "1",
        **json.loads((SITE / "proxies.json").read_text()),
    }


def pip(*arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-I", "-m", "pip", *arguments]
    return subprocess.Popen(command, stdout=sys.stderr, env=environment(), cwd=BUILD)


def watched(process: subprocess.Popen[bytes]) -> int:
    """Wait for pip, and end it before it fills the disk that all servers are on."""
    while process.poll() is None:
        if shutil.disk_usage("/").free < FLOOR or shutil.disk_usage(BUILD).free < FLOOR:
            process.kill()
            process.wait()
            say("Too little disk is left where the engine keeps its images.")
            return 1
        time.sleep(0.2)
    return process.returncode


def resolve() -> int:
    kept = list(family())
    constraints = BUILD / "constraints.txt"
    constraints.write_text("".join(f"{each.name}=={each.version}\n" for each in kept))
    pins = SITE / "pins.txt"
    if pins.exists():
        say("With the versions that it has now:")
        code, packages = report([constraints, pins])
        if code == 0:
            return answer(packages, kept)
        say("These do not go with this image. With any versions:")
    code, packages = report([constraints])
    if code == 0:
        return answer(packages, kept)
    print(json.dumps({"no_wheel": has_source(BUILD / "said")}))
    return code


def report(constraints: list[Path]) -> tuple[int, list[dict[str, str]]]:
    """Ask pip what it would install; nothing is."""
    found = BUILD / "report.json"
    code = watched(
        pip(
            "install",
            "--dry-run",
            "--only-binary=:all:",
            f"--report={found}",
            f"--log={BUILD / 'said'}",
            *(f"--constraint={each}" for each in constraints),
            f"--requirement={SITE / 'requirements.txt'}",
        )
    )
    if code:
        return code, []
    return 0, [
        {
            "name": each["metadata"]["name"],
            "version": each["metadata"]["version"],
            "sha256": each["download_info"]["archive_info"]["hashes"]["sha256"],
        }
        for each in json.loads(found.read_text())["install"]
    ]


def answer(packages: list[dict[str, str]], kept: list[importlib.metadata.Distribution]) -> int:
    protected = sorted({path for each in kept for path in folders(each)})
    print(json.dumps({"packages": packages, "protected": protected}))
    return 0


def family() -> list[importlib.metadata.Distribution]:
    found = {
        each.name: each
        for each in importlib.metadata.distributions()
        if FAMILY.fullmatch(each.name or "")
    }
    return [found[name] for name in sorted(found)]


def folders(package: importlib.metadata.Distribution) -> set[str]:
    """Return the files and folders that are a package's alone."""
    place, found = str(package.locate_file("")), set()
    for file in package.files or ():
        first, *more = file.parts
        if first == "..":
            found.add(os.path.normpath(f"{place}/{file}"))
        else:
            own = [first, *more[:1]] if first in SHARED else [first]
            found.add("/".join([place.rstrip("/"), *own]))
    return found


def has_source(said: Path) -> bool:
    """Say whether what pip did not find as a wheel is there as source."""
    text = said.read_text(errors="replace") if said.exists() else ""
    found = re.search(r"No matching distribution found for ([A-Za-z0-9._-]+)", text)
    if found is None:
        return False
    command = [sys.executable, "-I", "-m", "pip", "index", "versions", found[1]]
    done = subprocess.run(command, capture_output=True, env=environment(), check=False)
    return done.returncode == 0


def install() -> int:
    return watched(
        pip(
            "install",
            "--no-deps",
            "--require-hashes",
            "--only-binary=:all:",
            "--root-user-action=ignore",
            "--no-warn-script-location",
            "--break-system-packages",
            f"--requirement={SITE / 'requirements.txt'}",
        )
    )


if __name__ == "__main__":
    sys.exit(main())
