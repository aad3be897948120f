"""The page that comes with a dataset: what it is, and the lines that load it. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from room.datasets.manifest import Entry, File, Summary
from room.values import readable_size

#: How its files are meant to be read.
Kind = Literal["image-folder", "webdataset", "parquet", "arrow", "csv", "numpy", "files"]

IMAGES = {"jpg", "jpeg", "png", "ppm", "bmp", "webp", "tif", "tiff"}
#: The share of files that must look alike before a dataset is taken for that.
MOST = 0.5
_SHARD = re.compile(r"^(.*?)(\d+)\.tar$")


@dataclass(frozen=True, slots=True)
class Shape:
    """What a dataset looks like; ``example``: the path that its snippet begins from."""

    kind: Kind
    example: str = ""


#: What looks like nothing in particular.
FILES = Shape("files")


def shape(entries: Iterable[Entry]) -> Shape:
    """Return what files look like they are, from their names alone."""
    files = [entry.path for entry in entries if isinstance(entry, File)]
    if not files:
        return FILES
    endings = Counter(_ending(path) for path in files)
    images = [path for path in files if _ending(path) in IMAGES and "/" in path]
    if len(images) > MOST * len(files):
        # <root>/<class>/<image>: the class is the last directory.
        return Shape("image-folder", _common(path.rsplit("/", 2)[0] for path in _deep(images)))
    shards = [path for path in files if _SHARD.match(path)]
    if len(shards) > MOST * len(files):
        return Shape("webdataset", _braces(shards))
    simple: tuple[tuple[Kind, tuple[str, ...]], ...] = (
        ("parquet", ("parquet",)),
        ("arrow", ("arrow", "feather")),
        ("csv", ("csv", "tsv")),
        ("numpy", ("npy", "npz")),
    )
    for kind, known in simple:
        if sum(endings[each] for each in known) > MOST * len(files):
            return Shape(kind, next(path for path in files if _ending(path) in known))
    return Shape("files", files[0])


def snippet(name: str, found: Shape) -> str:
    """Return Python that loads it from where a server has it."""
    root = f"/datasets/{name}"
    at = f"{root}/{found.example}".rstrip("/")
    match found.kind:
        case "image-folder":
            return (
                "from torchvision import datasets, transforms\n\n"
                f'images = datasets.ImageFolder("{at}", transform=transforms.ToTensor())'
            )
        case "webdataset":
            return (
                "import webdataset\n\n"
                f'shards = webdataset.WebDataset("{at}", shardshuffle=False)\n'
                'samples = shards.decode("pil")'
            )
        case "parquet":
            return f'import pandas\n\ntable = pandas.read_parquet("{at}")'
        case "arrow":
            return f'import pyarrow.feather\n\ntable = pyarrow.feather.read_table("{at}")'
        case "csv":
            return f'import pandas\n\ntable = pandas.read_csv("{at}")'
        case "numpy":
            return f'import numpy\n\narray = numpy.load("{at}", mmap_mode="r")'
    return (
        "from pathlib import Path\n\n"
        f'files = sorted(path for path in Path("{root}").rglob("*") if path.is_file())'
    )


def page(name: str, about: Mapping[str, str], found: Shape, files: Summary) -> str:
    """Return the page in Markdown."""
    told = [("Licence", about.get("licence", "")), ("Source", about.get("source", ""))]
    lines = [f"# {name}", ""]
    if about.get("description"):
        lines += [about["description"], ""]
    lines += [f"- **{word}**: {value}" for word, value in told if value]
    lines += [
        f"- **Files**: {files.files:,}, together {readable_size(files.size)}",
        f"- **SHA-256 of the manifest**: `{files.digest}`",
        "",
        f"It is at `/datasets/{name}`, read-only.",
        "",
        "```python",
        snippet(name, found),
        "```",
        "",
    ]
    return "\n".join(lines)


def _ending(path: str) -> str:
    return path.rpartition("/")[2].rpartition(".")[2].lower()


def _deep(paths: Iterable[str]) -> list[str]:
    """Return paths with a directory above that of each; a class alone has the root above it."""
    return [path if path.count("/") > 1 else f"./{path}" for path in paths]


def _common(roots: Iterable[str]) -> str:
    """Return the root that most images are under."""
    root = Counter(roots).most_common(1)[0][0]
    return "" if root == "." else root.removeprefix("./")


def _braces(shards: list[str]) -> str:
    """Return shards as webdataset writes many: ``train-{000000..000041}.tar``."""
    groups: dict[tuple[str, int], list[str]] = {}
    for path in sorted(shards):
        if match := _SHARD.match(path):
            groups.setdefault((match[1], len(match[2])), []).append(match[2])
    (head, _), numbers = max(groups.items(), key=lambda item: len(item[1]))
    if len(numbers) == 1:
        return f"{head}{numbers[0]}.tar"
    return f"{head}{{{numbers[0]}..{numbers[-1]}}}.tar"
