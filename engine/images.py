"""The room's images: what each is made of, its tag, and building what is missing.

A tag follows from everything that decides what is inside: the Dockerfile, every
file that it may copy, its build arguments and its parent's tag. Mirrors, a
site's CA and the day of the build are no part of it, so that two sites with the
same checkout have the same tags.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from engine import build, rootfs, site, sources
from engine.errors import BuildError
from engine.together import together
from room.settings import Settings

__all__ = ["SPECS", "BuildError", "Image", "ImageSpec", "describe", "ensure", "images_for"]

#: A checkout's root: engine/ is one of its folders.
ROOT = Path(__file__).resolve().parents[1]

TORCH = "2.9.1"

#: What a developer's tree has and no image wants.
_LEFT_OUT = {"__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".ipynb_checkpoints"}
_LEFT_OUT_SUFFIXES = {".pyc", ".mo", ".swp"}


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """One image. ``files`` maps a path in the build context to one in the checkout.

    ``disk`` is what the engine must have free before the build, in bytes, as
    measured; ``needs`` are the mirrors that its build asks.
    """

    name: str
    files: Mapping[str, str]
    disk: int
    needs: tuple[str, ...] = ("debian",)
    parent: str | None = "base"
    arguments: tuple[str, ...] = ()


_GB = 1000**3
_UV = {"requirements/uv.txt": "requirements/uv.txt"}
_CODE = (
    "room",
    "engine",
    "publishing",
    "spawner",
    "agent",
    "console",
    "cli",
    "jupyterhub_config.py",
)

SPECS: tuple[ImageSpec, ...] = (
    ImageSpec(
        "base",
        {"Dockerfile": "images/base/Dockerfile", "rootfs.sh": "images/base/rootfs.sh"},
        disk=_GB // 2,
        parent=None,
    ),
    ImageSpec(
        "room",
        {
            "Dockerfile": "images/room/Dockerfile",
            "requirements/room.txt": "requirements/room.txt",
            **_UV,
            **{f"code/{part}": part for part in _CODE},
        },
        disk=_GB,
        needs=("debian", "pypi"),
    ),
    ImageSpec(
        "proxy",
        {
            name: f"images/proxy/{name}"
            for name in ("Dockerfile", "package.json", "package-lock.json", "start.mjs")
        },
        disk=_GB,
        needs=("debian", "npm"),
    ),
    ImageSpec("front", {"Dockerfile": "images/front/Dockerfile"}, disk=_GB // 2),
    ImageSpec(
        "pytorch",
        {
            "Dockerfile": "images/pytorch/Dockerfile",
            "torch-{cuda}.txt": "images/pytorch/torch-{cuda}.txt",
            "devel-{cuda}.txt": "images/pytorch/devel-{cuda}.txt",
            "requirements.txt": "images/pytorch/requirements.txt",
            "server.txt": "images/pytorch/server.txt",
            "files": "images/pytorch/files",
            "examples": "images/pytorch/examples",
            "library": "images/pytorch/library",
            "server": "server",
            **_UV,
        },
        disk=16 * _GB,
        needs=("debian", "pypi", "pytorch"),
        arguments=("cuda", "flavor"),
    ),
)
BY_NAME: Mapping[str, ImageSpec] = {spec.name: spec for spec in SPECS}


@dataclass(frozen=True, slots=True)
class File:
    """One file of a build context."""

    content: bytes
    executable: bool = False


@dataclass(frozen=True, slots=True)
class Image:
    """An image with its tag, and the context that it is built from."""

    spec: ImageSpec
    tag: str
    arguments: Mapping[str, str]
    context: Mapping[str, File] = field(repr=False)


# --- what is inside decides the tag ---------------------------------------------------------


def digest(context: Mapping[str, File], arguments: Mapping[str, str], parent: str) -> str:
    """Return twelve hexadecimal digits that change with anything that goes into an image."""
    state = hashlib.sha256()

    def add(*parts: bytes) -> None:
        for part in parts:
            state.update(len(part).to_bytes(8, "big") + part)

    add(parent.encode())
    for name in sorted(arguments):
        add(b"argument", name.encode(), arguments[name].encode())
    for name in sorted(context):
        file = context[name]
        add(b"file", name.encode(), b"x" if file.executable else b"-", file.content)
    return state.hexdigest()[:12]


def _files(source: Path) -> Iterator[tuple[str, Path]]:
    """Yield every file at or under ``source`` with its path relative to it."""
    if source.is_file():
        yield "", source
        return
    for path in sorted(source.rglob("*")):
        relative = path.relative_to(source)
        if path.suffix in _LEFT_OUT_SUFFIXES or _LEFT_OUT.intersection(relative.parts):
            continue
        if path.is_file():
            yield relative.as_posix(), path


def read_context(spec: ImageSpec, root: Path, choice: Mapping[str, str]) -> dict[str, File]:
    """Read what ``spec`` may copy. A file that does not exist is left out: a build may lack it."""
    context: dict[str, File] = {}
    for target, source in spec.files.items():
        place = target.format_map(choice)
        for relative, path in _files(root / source.format_map(choice)):
            name = f"{place}/{relative}" if relative else place
            mode = path.stat().st_mode
            context[name] = File(path.read_bytes(), executable=bool(mode & 0o100))
    return context


def images_for(settings: Settings, root: Path = ROOT) -> dict[str, Image]:
    """Return the images of a room by name, parents first, with the tags they have or will have."""
    chosen = {"cuda": settings.images.cuda, "flavor": settings.images.flavor}
    found: dict[str, Image] = {}
    for spec in SPECS:
        arguments = {name.upper(): chosen[name] for name in spec.arguments}
        parent = found[spec.parent].tag if spec.parent else rootfs.identity(settings.images.base)
        context = read_context(spec, root, chosen)
        tag = digest(context, arguments, parent)
        if spec.name == "pytorch":
            flavor = "" if chosen["flavor"] == "runtime" else f"-{chosen['flavor']}"
            tag = f"{TORCH}-{chosen['cuda']}{flavor}-{tag}"
        found[spec.name] = Image(spec, f"torchroom/{spec.name}:{tag}", arguments, context)
    return found


def missing(images: Mapping[str, Image], wanted: Iterable[str], present: set[str]) -> list[Image]:
    """Return what has to be built for ``wanted``, in order: a parent only if a child needs it."""
    needed: set[str] = set()
    names = set(wanted)
    for image in reversed(list(images.values())):
        spec = image.spec
        if (spec.name in names or spec.name in needed) and image.tag not in present:
            needed.add(spec.name)
            if spec.parent:
                needed.add(spec.parent)
    return [i for i in images.values() if i.spec.name in needed and i.tag not in present]


def generations(todo: Sequence[Image]) -> list[list[Image]]:
    """Return what can be built at the same time: parents first, and of one age the largest first.

    The largest takes longest, and the others are done beside it.
    """
    ages: dict[str, int] = {}
    for image in todo:
        ages[image.spec.name] = ages.get(image.spec.parent or "", -1) + 1
    return [
        sorted((i for i in todo if ages[i.spec.name] == age), key=lambda i: -i.spec.disk)
        for age in sorted(set(ages.values()))
    ]


def tar(context: Mapping[str, File]) -> bytes:
    """Return a build context as BuildKit reads it from standard input: same bytes, same cache."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in sorted(context):
            info = tarfile.TarInfo(name)
            info.size = len(context[name].content)
            info.mode = 0o755 if context[name].executable else 0o644
            archive.addfile(info, io.BytesIO(context[name].content))
    return buffer.getvalue()


# --- building ---------------------------------------------------------------------------------


def ensure(
    settings: Settings,
    names: Sequence[str] | None = None,
    progress: Callable[[str], None] | None = None,
    *,
    fresh: bool = False,
    root: Path = ROOT,
) -> dict[str, str]:
    """Build the images that are missing, and return every name's tag.

    ``names`` are the images wanted, without it all that a room runs. ``fresh``
    builds them anew with today's Debian packages under the same tags.
    ``progress`` gets one line for each step. Raises ``BuildError`` in words;
    an image is there whole under its tag, or not at all.
    """
    say = progress or (lambda line: None)
    images = images_for(settings, root)
    wanted = list(names) if names is not None else [n for n in images if n != "base"]
    unknown = [name for name in wanted if name not in images]
    if unknown:
        raise BuildError(
            f"There is no image {unknown[0]!r}.", f"The room's images: {', '.join(images)}."
        )
    engine = build.Docker(settings.engine_socket)

    def todo() -> list[Image]:
        return missing(images, wanted, set() if fresh else engine.tags())

    if todo():
        with build.only_one(root / "build", say):
            # Another process may have built some or all while this one waited for its turn.
            if still := todo():
                _build_all(settings, engine, images, still, say, fresh, root)
    return {name: image.tag for name, image in images.items()}


def _build_all(
    settings: Settings,
    engine: build.Docker,
    images: Mapping[str, Image],
    todo: Sequence[Image],
    say: Callable[[str], None],
    fresh: bool,
    root: Path,
) -> None:
    needs = sorted({need for image in todo for need in image.spec.needs})
    engine.require_disk(sum(image.spec.disk for image in todo))
    here = site.require(site.of(settings), needs, settings.images.cuda)
    for image in todo:
        if image.spec.name == "pytorch":
            _require_lock(settings.images.cuda, image.context)

    def build_one(image: Image, say: Callable[[str], None]) -> None:
        name = image.spec.name
        arguments = dict(image.arguments)
        log = root / "build" / f"{name}.log"
        if image.spec.parent:
            arguments["BASE"] = images[image.spec.parent].tag
        with rootfs.provide(settings, engine, here, image, log, say) as found:
            arguments |= found
            engine.build(
                image.tag,
                tar(image.context),
                arguments,
                here.secrets(settings.images.cuda),
                log=log,
                say=_prefixed(say, name),
                site=here,
                fresh=fresh and name == "base",
            )

    for generation in generations(todo):
        together([partial(build_one, image) for image in generation], say)


def _prefixed(say: Callable[[str], None], name: str) -> Callable[[str], None]:
    return lambda line: say(f"{name}: {line}")


def _require_lock(cuda: str, context: Mapping[str, File]) -> None:
    if f"torch-{cuda}.txt" not in context:
        raise BuildError(
            f"There is no lock file for PyTorch with {cuda} yet: images/pytorch/torch-{cuda}.txt.",
            "Resolve it once, and keep it with the checkout: room images lock",
        )


def lock(
    settings: Settings, progress: Callable[[str], None] | None = None, root: Path = ROOT
) -> Path:
    """Resolve PyTorch's packages for the CUDA of the settings into a hashed lock file.

    Asks the wheel index first, and stops in words when it is out of reach. What PyPI
    carries is locked with the checkout and stays as it is.
    """
    cuda = settings.images.cuda
    target = root / "images" / "pytorch" / f"torch-{cuda}.txt"
    if cuda == sources.PYPI_CUDA:
        raise BuildError(
            f"The lock for {cuda} comes with the checkout: {target}.",
            "Set images.cuda in room.yaml to the CUDA that you want another lock for.",
        )
    say = progress or (lambda line: None)
    here = site.require(site.of(settings), ["pytorch"], cuda)
    base = ensure(settings, ["base"], progress, root=root)["base"]
    pytorch = "images/pytorch"
    spec = ImageSpec(
        "lock",
        {
            "Dockerfile": f"{pytorch}/lock.Dockerfile",
            "torch.in": f"{pytorch}/torch-{cuda}.in",
            "requirements.txt": f"{pytorch}/requirements.txt",
            **_UV,
        },
        disk=0,
    )
    with tempfile.TemporaryDirectory(prefix="room-lock-") as folder:
        build.Docker(settings.engine_socket).build(
            Path(folder),
            tar(read_context(spec, root, {})),
            {"BASE": base},
            here.secrets(cuda),
            log=root / "build" / "lock.log",
            say=say,
            site=here,
        )
        target.write_bytes((Path(folder) / "torch.txt").read_bytes())
    return target


@dataclass(frozen=True, slots=True)
class Described:
    """One line of ``room images list``. ``size`` in bytes, None when it is not there."""

    name: str
    tag: str
    size: int | None


def describe(settings: Settings, root: Path = ROOT) -> list[Described]:
    """Return every image of the room with its tag and, when the engine has it, its size."""
    sizes = build.Docker(settings.engine_socket).sizes()
    return [
        Described(name, image.tag, sizes.get(image.tag))
        for name, image in images_for(settings, root).items()
    ]
