"""What the PyTorch image promises: its packages, its user, the first lesson, lasting installs."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import pytest

from tests.images.conftest import Home
from tests.utils.user_server import UserServer, docker

pytestmark = pytest.mark.images

SITE = ".local/lib/python3.13/site-packages"


def run(image: str, *command: str, options: tuple[str, ...] = ()) -> str:
    return docker("run", "--rm", "--network=none", *options, image, *command, timeout=300)


def test_runs_as_jovyan_under_tini(pytorch: str) -> None:
    said = run(pytorch, "sh", "-c", "id; cat /proc/1/cmdline | tr '\\0' ' '; pwd; ls -ld /datasets")
    assert "uid=1000(jovyan) gid=100(users)" in said
    assert "/usr/bin/tini --" in said
    assert "/home/jovyan" in said
    assert re.search(r"drwxr-xr-x .* root root .* /datasets", said)


def test_kernels_have_pytorch_with_cuda_and_every_promised_package(pytorch: str) -> None:
    code = """
import json, platform, torch, torchvision, torchaudio, numpy, pandas, matplotlib, sklearn, tqdm
import tensorboard, ipykernel, ipywidgets, triton, scipy
from torch.utils.tensorboard import SummaryWriter
print(json.dumps({
    "python": platform.python_version(), "torch": torch.__version__, "cuda": torch.version.cuda,
    "cudnn": torch.backends.cudnn.version(), "nccl": torch.cuda.nccl.version(),
    "vision": torchvision.__version__, "audio": torchaudio.__version__,
    "arch": torch.cuda.get_arch_list(), "available": torch.cuda.is_available(),
}))
"""
    found = json.loads(run(pytorch, "python", "-W", "ignore", "-c", code).splitlines()[-1])
    assert found["python"].startswith("3.13.")
    assert found["torch"] == "2.9.1+cu128"
    assert found["cuda"] == "12.8"
    assert found["cudnn"] == 91002
    assert found["nccl"] == [2, 27, 5]
    assert found["vision"].split("+")[0] == "0.24.1"
    assert found["audio"].split("+")[0] == "2.9.1"
    assert found["available"] is False


def test_every_cuda_library_of_pytorch_is_found_without_a_search_path(pytorch: str) -> None:
    command = (
        "cd /usr/local/lib/python3.13/dist-packages && "
        "ldd torch/lib/libtorch_cuda.so torch/lib/libtorch_python.so | grep 'not found' || true"
    )
    assert run(pytorch, "sh", "-c", command, options=("--env=LD_LIBRARY_PATH=",)).strip() == ""


def test_server_environment_is_the_one_of_its_lock(pytorch: str) -> None:
    code = (
        "import importlib.metadata as m, importlib.util as u, json;"
        "print(json.dumps({'hub': m.version('jupyterhub'), 'lab': m.version('jupyterlab'),"
        "'dropped': [n for n in ('rfc3987_syntax', 'ipykernel', 'torch') if u.find_spec(n)]}))"
    )
    found = json.loads(run(pytorch, "/opt/jupyter/bin/python", "-I", "-c", code))
    assert found["hub"] == "6.1.1"
    assert tuple(map(int, found["lab"].split("."))) >= (4, 6, 2)
    assert found["dropped"] == []


def test_only_root_may_write_what_the_image_brings(pytorch: str) -> None:
    command = "find /opt /usr /etc -xdev -writable -not -type l 2>/dev/null | head"
    assert run(pytorch, "sh", "-c", command).strip() == ""


def test_python_files_come_compiled(pytorch: str) -> None:
    code = """
import pathlib
for root in ("/usr/local/lib/python3.13/dist-packages", "/opt/jupyter/lib/python3.13/site-packages"):
    files = [p for p in pathlib.Path(root).rglob("*.py")]
    cached = sum((p.parent / "__pycache__" / f"{p.stem}.cpython-313.pyc").exists() for p in files)
    print(len(files), cached)
"""  # noqa: E501
    for line in run(pytorch, "python3", "-c", code).splitlines():
        count, cached = map(int, line.split())
        assert count > 2000
        # What is left are templates and code for other versions, which do not compile.
        assert cached / count > 0.99


async def test_a_kernel_trains_on_the_cpu_with_as_many_threads_as_its_limit(pytorch: str) -> None:
    training = """
import torch
torch.manual_seed(0)
x = torch.linspace(0, 1, 5).unsqueeze(1)
model = torch.nn.Linear(1, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
losses = []
for _ in range(200):
    loss = ((model(x) - 3 * x - 1) ** 2).mean()
    optimizer.zero_grad(); loss.backward(); optimizer.step()
    losses.append(loss.item())
losses[0] > 100 * losses[-1], torch.get_num_threads()
"""
    with UserServer(pytorch, "--cpus=1") as server:
        outcome = await server.wait().run(training)
    assert outcome.error == ""
    assert outcome.result == "(True, 1)"


def test_first_lesson_runs_on_one_core_and_its_loss_falls(pytorch: str) -> None:
    command = (
        "cd /tmp && cp /opt/examples/01-first-lesson.ipynb lesson.ipynb && "
        "/opt/jupyter/bin/jupyter-execute --inplace lesson.ipynb >&2 && cat lesson.ipynb"
    )
    said = run(pytorch, "sh", "-c", command, options=("--cpus=1", "--env=OMP_NUM_THREADS=1"))
    notebook = json.loads(said[said.index("{\n") :].rpartition("}")[0] + "}")
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    text = "".join("".join(output.get("text", "")) for output in outputs)
    losses = [float(value) for value in re.findall(r"loss ([\d.]+)", text)]
    plots = [output for output in outputs if "image/png" in output.get("data", {})]
    assert "will train on the CPU" in text
    assert len(losses) == 7
    assert losses[-1] < losses[0] / 10
    assert len(plots) == 3
    assert not [output for output in outputs if output["output_type"] == "error"]


# --- pip install in a notebook -----------------------------------------------------------------


def wheel(
    folder: Path, name: str, version: str, body: str, *requires: str, script: str = ""
) -> None:
    """Write a small package that is its own: no index is asked."""
    stem = f"{name.replace('-', '_')}-{version}"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {one}\n" for one in requires)
    files = {
        f"{name.replace('-', '_')}.py": body,
        f"{stem}.dist-info/METADATA": metadata,
        f"{stem}.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if script:
        entry = f"[console_scripts]\n{script} = {name.replace('-', '_')}:main\n"
        files[f"{stem}.dist-info/entry_points.txt"] = entry
    files[f"{stem}.dist-info/RECORD"] = "".join(f"{path},,\n" for path in files)
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)


@pytest.fixture
def wheels(tmp_path: Path) -> str:
    """Return the option that mounts a folder of packages; with FROM_WHEELS pip looks there only."""
    wheel(tmp_path, "room-probe", "1.0", "def main():\n    print('probe')\n", script="room-probe")
    wheel(tmp_path, "room-second", "1.0", "value = 2\n")
    wheel(tmp_path, "tqdm", "0.0.1", "__version__ = '0.0.1'\n")
    wheel(tmp_path, "torch", "99.0", "__version__ = '99.0'\n")
    wheel(tmp_path, "wants-other-torch", "1.0", "", "torch>=99")
    tmp_path.chmod(0o755)
    return f"--volume={tmp_path}:/wheels:ro"


FROM_WHEELS = ("--env=PIP_NO_INDEX=1", "--env=PIP_FIND_LINKS=/wheels")


async def test_pip_install_works_in_a_kernel_and_stays_in_the_home(
    pytorch: str, home: Home, wheels: str
) -> None:
    with UserServer(pytorch, home.mount, wheels, *FROM_WHEELS) as server:
        installed = await server.wait().run(
            "%pip install room-probe\n!pip install room-second\n"
            "import room_probe, room_second\nroom_probe.__file__"
        )
        assert installed.error == "", installed.stdout
        assert installed.result == f"'/home/jovyan/{SITE}/room_probe.py'"
    with UserServer(pytorch, home.mount) as server:
        again = await server.wait().run(
            "import room_probe, room_second\n!room-probe\nroom_second.value"
        )
    assert again.error == ""
    assert again.stdout.strip() == "probe"
    assert again.result == "2"


async def test_another_version_in_the_home_wins_and_the_rescue_kernel_does_not_see_it(
    pytorch: str, home: Home, wheels: str
) -> None:
    with UserServer(pytorch, home.mount, wheels, *FROM_WHEELS) as server:
        await server.wait().run("%pip install tqdm==0.0.1")
        mine = await server.run("import tqdm; tqdm.__version__")
        rooms = await server.run("import tqdm; tqdm.__version__", kernel="room")
    assert mine.result == "'0.0.1'"
    assert rooms.result.startswith("'4.")


async def test_no_other_torch_comes_in_without_being_asked(
    pytorch: str, home: Home, wheels: str
) -> None:
    with UserServer(pytorch, home.mount, wheels, *FROM_WHEELS) as server:
        refused = await server.wait().run("%pip install wants-other-torch")
        assert "conflict" in refused.stdout + refused.stderr
        assert "(constraint) torch==2.9.1" in refused.stdout + refused.stderr
        torch = await server.run("import torch; torch.__version__")
        assert torch.result == "'2.9.1+cu128'"
        asked = await server.run("!PIP_CONSTRAINT=/dev/null pip install torch==99.0")
        assert "Successfully installed torch-99.0" in asked.stdout
        other = await server.run("import torch; torch.__version__")
        assert other.result == "'99.0'"


async def test_a_package_of_the_images_cannot_be_uninstalled(pytorch: str, home: Home) -> None:
    with UserServer(pytorch, home.mount) as server:
        said = await server.wait().run(
            "%pip uninstall --yes torch\nimport torch; torch.__version__"
        )
    assert said.result == "'2.9.1+cu128'"


async def test_a_virtual_environment_sees_pytorch_when_asked(pytorch: str, home: Home) -> None:
    with UserServer(pytorch, home.mount) as server:
        said = await server.wait().run(
            "!python -m venv --system-site-packages --without-pip mine\n"
            "!mine/bin/python -c 'import torch, sys; print(torch.__version__, sys.prefix)'"
        )
    assert said.stdout.split() == ["2.9.1+cu128", "/home/jovyan/mine"]


# --- lessons ------------------------------------------------------------------------------------


def test_lessons_are_given_once_and_never_overwritten(pytorch: str, home: Home) -> None:
    lesson = "examples/01-first-lesson.ipynb"
    with UserServer(pytorch, home.mount) as server:
        server.wait()
        assert server.api(f"contents/{lesson}")["content"]["nbformat"] == 4
        server.sh(f"echo mine > {lesson}")
    with UserServer(pytorch, home.mount) as server:
        assert server.wait().sh(f"cat {lesson}").strip() == "mine"
        server.sh(f"rm {lesson}")
    with UserServer(pytorch, home.mount) as server:
        assert "01-first-lesson" not in server.wait().sh("ls examples")
