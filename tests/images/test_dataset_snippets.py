"""The lines that a dataset's page has for loading it, run in the image as they stand there."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from publishing.shelf import README
from tests.utils.published import Library
from tests.utils.user_server import docker

pytestmark = [
    pytest.mark.images,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root publishes"),
]

#: Makes one dataset of each kind, as courses have them.
MAKE = """
import io, numpy, os, pandas, pyarrow.feather, tarfile
from PIL import Image

def picture():
    held = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(held, "PNG")
    return held.getvalue()

for kind in ("cat", "dog"):
    os.makedirs(f"pictures/train/{kind}")
    for number in range(2):
        open(f"pictures/train/{kind}/{number}.png", "wb").write(picture())
table = pandas.DataFrame({"label": [1, 2], "text": ["one", "two"]})
for name in ("shards", "parquet", "arrow", "csv", "numpy", "files"):
    os.mkdir(name)
table.to_parquet("parquet/train.parquet")
pyarrow.feather.write_feather(table, "arrow/train.arrow")
table.to_csv("csv/train.csv")
numpy.save("numpy/train.npy", numpy.ones((2, 3)))
open("files/notes", "w").write("notes")
for shard in range(2):
    with tarfile.open(f"shards/train-{shard:06}.tar", "w") as tar:
        for sample in range(2):
            for ending, data in (("png", picture()), ("cls", b"1")):
                member = tarfile.TarInfo(f"{shard}{sample}.{ending}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
"""
#: What is to be true after its lines have run.
LOADED = {
    "pictures": "len(images) == 4 and images.classes == ['cat', 'dog'] and "
    "images[3][0].shape == (3, 8, 8)",
    "shards": "[(each['png'].size, each['cls']) for each in samples] == [((8, 8), 1)] * 4",
    "parquet": "list(table.label) == [1, 2]",
    "arrow": "table['text'].to_pylist() == ['one', 'two']",
    "csv": "list(table.text) == ['one', 'two']",
    "numpy": "array.shape == (2, 3)",
    "files": "[path.name for path in files] == ['notes']",
}


def test_the_lines_of_its_page_load_each_kind_of_dataset(pytorch: str, tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.mkdir()
    docker(
        "run", "--rm", "--network=none", "--user=0:0", f"--volume={made}:/made", "--workdir=/made",
        "--entrypoint=python", pytorch, "-c", MAKE,
    )  # fmt: skip
    library = Library.at(tmp_path / "room")
    mounts, programs = [], []
    for name, true in LOADED.items():
        version = library.publish(name, made / name).version
        shelf, at = library.shelf, f"/datasets/{name}"
        mounts.append(f"--volume={shelf.tree(name, version.digest)}:{at}:ro")
        page = (shelf.version(name, version.digest) / README).read_text()
        (lines,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
        assert at in lines
        programs.append(f"{lines}\nassert {true}, {name!r}\n")
    told = docker(
        "run", "--rm", "--network=none", "--user=1000:100", *mounts,
        "--entrypoint=python", pytorch, "-c", "\n".join(programs) + "print('all')",
    )  # fmt: skip
    assert told == "all\n"
    library.catalog.store.close()
