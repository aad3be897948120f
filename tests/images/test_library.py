"""The examples library: each notebook runs as it is, and JupyterLab copies one to the home."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.utils.chromium import chromium
from tests.utils.user_server import PREFIX, TOKEN, UserServer, docker

pytestmark = pytest.mark.images

LIBRARY = Path(__file__).parents[2] / "images/pytorch/library"
NOTEBOOKS = sorted(path.name for path in LIBRARY.glob("*.ipynb"))
ARTIFACTS = Path(__file__).parents[1] / "artifacts" / "lab"
#: Runs all cells of all notebooks in one Python: each has names of its own, and PyTorch is there.
RUN = """
import json, pathlib, time
for path in sorted(pathlib.Path("/opt/library").glob("*.ipynb")):
    space, began = {"__name__": "__main__"}, time.monotonic()
    print("== " + path.name)
    for cell in json.loads(path.read_text())["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), f"{path.name}:{cell['id']}", "exec"), space)
    losses = space.get("losses")
    print("== took", round(time.monotonic() - began, 1), losses and losses[-1] / losses[0])
"""
#: A part of what each prints at its end.
SAYS = {
    "01-tensors-and-autograd.ipynb": "y = 3.",
    "02-convolutional-network.ipynb": "of 500 new pictures right",
    "03-data-loaders.ipynb": "256 pictures on",
    "04-mixed-precision.ipynb": "mixed True",
    "05-checkpoints.ipynb": "furthest from a training without a break: 0.0e+00",
    "06-datasets.ipynb": "pictures of ['blue', 'red']",
    "07-tensorboard.ipynb": "['rate-0.003', 'rate-0.03', 'rate-0.3']",
    "08-tiny-transformer.ipynb": " right",
}


def test_each_notebook_runs_without_a_network_and_without_a_gpu(pytorch: str) -> None:
    said = docker(
        "run", "--rm", "--network=none", "--shm-size=256m", "--env=MPLBACKEND=agg",
        "--env=OMP_NUM_THREADS=1", pytorch, "python3", "-c", RUN, timeout=300,
    )  # fmt: skip
    parts = re.split(r"^== (?=\S+\.ipynb$)", said, flags=re.M)[1:]
    shown = {part.partition("\n")[0]: part for part in parts}
    assert set(shown) == set(NOTEBOOKS) == set(SAYS)
    for name, text in SAYS.items():
        assert text in shown[name], shown[name]
        assert "Warning" not in shown[name], shown[name]
    falls = [float(each) for each in re.findall(r"^== took \S+ ([\d.e-]+)$", said, re.M)]
    assert len(falls) >= 5
    assert max(falls) < 0.5, said


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_each_says_what_it_is_in_both_languages_and_brings_no_results(name: str) -> None:
    notebook = json.loads((LIBRARY / name).read_text("utf-8"))
    for texts in notebook["metadata"]["room"].values():
        assert re.search(r"[\u4e00-\u9fff]", texts["zh-CN"])
        assert 5 < len(texts["en"]) < 120
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] or cell["execution_count"] for cell in code)


@pytest.fixture(scope="module")
def server(pytorch: str) -> Iterator[UserServer]:
    with UserServer(pytorch) as started:
        yield started.wait(timeout=90)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as made:
        yield made


@pytest.mark.browser
@pytest.mark.parametrize(
    ("locale", "name", "words"),
    [
        pytest.param(
            "en-US",
            "01-tensors-and-autograd.ipynb",
            ("Examples", "Copy to my home", "Tensors and gradients", "Open my copy"),
            id="english",
        ),
        pytest.param(
            "zh-CN",
            "02-convolutional-network.ipynb",
            ("示例", "复制到我的主目录", "卷积网络", "打开我的副本"),
            id="chinese",
        ),
    ],
)
def test_an_example_is_copied_from_the_launcher_and_never_overwritten(
    server: UserServer, browser: Any, locale: str, name: str, words: tuple[str, ...]
) -> None:
    card, copy, title, mine = words
    context = browser.new_context(
        locale=locale, extra_http_headers={"Authorization": f"token {TOKEN}"}
    )
    context.set_default_timeout(40_000)
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{server.port}{PREFIX}/lab?reset")
    page.locator(".jp-LauncherCard", has_text=card).first.click()
    row = page.locator(".room-examples li", has_text=title)
    row.get_by_role("button", name=copy).wait_for()
    assert page.locator(".room-examples li").count() == len(NOTEBOOKS)
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"examples-{locale}.png")
    row.get_by_role("button").click()
    page.locator(".jp-Notebook").wait_for()
    where = f"~/examples/{name}"
    # What its owner does with it stays.
    server.sh(f"echo '{{}}' > {where}")
    page.get_by_role("tab", name=card).click()
    row.get_by_role("button", name=mine).click()
    assert server.sh(f"cat {where}").strip() == "{}"
    context.close()


def test_what_is_not_in_the_library_is_not_copied(server: UserServer) -> None:
    for name in ("nosuch.ipynb", "..%2Fexamples%2F01-first-lesson.ipynb"):
        status = server.sh(
            "curl --silent --output /dev/null --write-out '%{http_code}' --request POST "
            '--header "Authorization: token $JUPYTERHUB_API_TOKEN" '
            f"http://127.0.0.1:8888{PREFIX}/room/examples/{name}"
        )
        assert status == "404"
