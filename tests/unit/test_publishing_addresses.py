"""Datasets from addresses: real servers on this machine, fetchers and workers of their own."""

from __future__ import annotations

import hashlib
import io
import json
import random
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from publishing import upkeep
from publishing.job import Desk, Job
from publishing.publish import announce, gather
from publishing.remote.wrong import WrongError
from publishing.secrets import LostSecretError
from room.datasets.addresses import Access, Rules, Wanted, check
from room.datasets.paths import PathRefusedError
from tests.utils.file_server import FileServer, Handler, certificate, file_server
from tests.utils.published import Library, contents
from tests.utils.wait import wait_until

RULES = Rules(("https", "http", "s3", "hf"), ("127.0.0.1",))
#: Those of a room that asks this machine by another address only.
ONLY = Rules(hosts=("127.0.0.1",))
SECRET = "hunter2-s3cret"


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def web(pem: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """A server of https that the room trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    with file_server(pem) as server:
        yield server


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """An S3 with a bucket; its address."""
    import boto3

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    client = boto3.client(
        "s3",
        endpoint_url=url,
        aws_access_key_id="key",
        aws_secret_access_key=SECRET,
        region_name="us-east-1",
    )
    client.create_bucket(Bucket="bucket")
    for number in range(4):
        body = random.Random(number).randbytes(700_000)
        client.put_object(Bucket="bucket", Key=f"data/ä {number}.bin", Body=body)
    client.put_object(Bucket="bucket", Key="data/empty/", Body=b"")
    client.put_object(Bucket="bucket", Key="database", Body=b"another")
    yield url
    server.stop()


@dataclass
class Room:
    """A room's datasets, and how one of them is published from addresses."""

    root: Path
    library: Library
    desk: Desk

    def begin(self, *addresses: str, rules: Rules | None = RULES, **more: Any) -> Job:
        wanted = check(Wanted(addresses, more.pop("access", Access())), rules)
        source = {
            "kind": "url",
            "addresses": wanted.shown,
            "rules": rules and {"protocols": rules.protocols, "hosts": rules.hosts},
            "unpack": more.pop("unpack", False),
        }
        return self.desk.begin("set", "tina", source, secret=wanted.as_dict(), **more)

    def run(self, job: Job, tell: Callable[[int], object] | None = None) -> Job:
        with self.desk.held(job):
            return gather(self.desk, self.desk.get(job.id), self.desk.note(job, tell))

    def worker(self, job: Job) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "publishing.work", self.desk.shelf.root, job.id]
        return subprocess.Popen([*command, self.root / "key"], stderr=subprocess.DEVNULL)

    def tree(self, job: Job) -> dict[str, str]:
        return contents(self.desk.shelf.tree(job.name, job.digest))

    def text(self) -> bytes:
        """Return everything that lies in the room, but what was fetched."""
        files = (path for path in self.root.rglob("*") if path.is_file())
        return b"\n".join(path.read_bytes() for path in files if ".part" not in path.suffixes)


@pytest.fixture
def room(tmp_path: Path) -> Room:
    library = Library.at(tmp_path)
    return Room(tmp_path, library, Desk(library.shelf, tmp_path / "key"))


def sums(files: dict[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def some(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


# --- what comes of an address -------------------------------------------------------------------


def test_files_of_a_web_server_become_a_version_however_often_they_are_cut(
    room: Room, web: FileServer
) -> None:
    web.files = {"/d/a b.bin": some(3_000_000), "/d/empty": b"", "/d/c.bin": some(900_000, 2)}
    web.cut, web.authorization = 0.6, "Basic dGluYTpodW50ZXIyLXMzY3JldA=="
    access = Access(user="tina", password=SECRET)
    made = room.run(
        room.begin(
            *(f"{web.url}/d/{name}?q=1" for name in ("a%20b.bin", "empty", "c.bin")), access=access
        )
    )
    names = {"a b.bin": "/d/a b.bin", "empty": "/d/empty", "c.bin": "/d/c.bin"}
    assert room.tree(made) == sums({name: web.files[path] for name, path in names.items()})
    # What had come before a cut did not come again, but for what was on its way.
    assert web.asked["/d/a b.bin"] > 1
    assert web.sent["/d/a b.bin"] < 3_000_000 * 1.5
    announce(room.library.catalog, room.desk, made)
    assert room.library.leaked() == room.library.broken() == []


@pytest.mark.parametrize("ranges", [True, False])
def test_a_killed_worker_goes_on_in_the_middle_where_the_server_can(
    room: Room, web: FileServer, ranges: bool
) -> None:
    web.files = {"/big": some(4_000_000), "/small": some(1000)}
    web.ranges, web.pause = ranges, 0.03
    job = room.begin(f"{web.url}/small", f"{web.url}/big")
    worker = room.worker(job)
    wait_until(lambda: room.desk.progress(job).done > 1_000_000, timeout=60)
    worker.kill()
    worker.wait()
    web.pause = 0.0
    made = room.run(job)
    assert room.tree(made) == sums({"big": web.files["/big"], "small": web.files["/small"]})
    assert web.asked["/small"] == 1
    assert (web.began["/big"] > 500_000) is ranges


def test_a_file_that_is_another_by_then_is_fetched_from_its_beginning(
    room: Room, web: FileServer
) -> None:
    web.files = {"/big": some(4_000_000)}
    web.pause = 0.03
    job = room.begin(f"{web.url}/big")
    worker = room.worker(job)
    wait_until(lambda: room.desk.progress(job).done > 1_000_000, timeout=60)
    worker.kill()
    worker.wait()
    web.pause, web.files["/big"] = 0.0, some(4_000_000, 2)
    assert room.tree(room.run(job)) == sums({"big": web.files["/big"]})


def test_a_bucket_s_folder_and_one_of_its_files_become_versions(room: Room, s3: str) -> None:
    access = Access(key="key", secret=SECRET, endpoint=s3)
    made = room.run(room.begin("s3://bucket/data", access=access))
    files = {f"ä {number}.bin": random.Random(number).randbytes(700_000) for number in range(4)}
    assert room.tree(made) == sums(files)
    made = room.run(room.begin("s3://bucket/database", access=access))
    assert room.tree(made) == sums({"database": b"another"})


@pytest.mark.parametrize(
    ("address", "names"),
    [
        pytest.param("hf://datasets/org/name", {"README", "data/1", "data/2"}, id="all"),
        pytest.param("hf://datasets/org/name@main/data", {"1", "2"}, id="folder"),
        pytest.param("hf://datasets/org/name/data/2", {"2"}, id="file"),
    ],
)
def test_a_hub_s_repository_becomes_a_version(
    room: Room, web: FileServer, address: str, names: set[str]
) -> None:
    web.files = {"README": b"read", "data/1": some(300_000), "data/2": some(300_000, 2)}
    web.authorization = f"Bearer {SECRET}"
    access = Access(token=SECRET, endpoint=web.url)
    assert room.tree(room.run(room.begin(address, access=access))).keys() == names


def archived(kind: str, members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(out, "w") as made:
            for name, content in members.items():
                made.writestr(name, content)
    else:
        with tarfile.open(fileobj=out, mode="w:gz") as tar:
            for name, content in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def test_several_archives_are_unpacked_into_one_tree(room: Room, web: FileServer) -> None:
    first, second = {"train/1": some(90_000), "a": b"a"}, {"train/2": some(90_000, 2)}
    web.files = {"/1.zip": archived("zip", first), "/2.tar.gz": archived("tar.gz", second)}
    web.cut = 0.5
    job = room.begin(f"{web.url}/1.zip", f"{web.url}/2.tar.gz", unpack=True)
    assert room.tree(room.run(job)) == sums(first | second)


def test_archives_of_which_two_have_one_name_are_refused_and_nothing_is_fetched_again(
    room: Room, web: FileServer
) -> None:
    web.files = {"/1.zip": archived("zip", {"a": b"1"}), "/2.zip": archived("zip", {"a": b"2"})}
    job = room.begin(f"{web.url}/1.zip", f"{web.url}/2.zip", unpack=True)
    for _ in range(2):
        with pytest.raises(PathRefusedError, match="'a' cannot be in a dataset: it is there twice"):
            room.run(job)
    assert web.asked == {"/1.zip": 1, "/2.zip": 1}


def test_the_command_s_addresses_are_read_by_whatever_fsspec_has(
    room: Room, tmp_path: Path
) -> None:
    packed = tmp_path / "packed.zip"
    packed.write_bytes(archived("zip", {"x/1": b"1", "x/2": b"2"}))
    made = room.run(room.begin(f"zip://::file://{packed}", rules=None))
    assert room.tree(made) == sums({"x/1": b"1", "x/2": b"2"})
    with pytest.raises(WrongError, match="install what fsspec needs"):
        room.run(room.begin("smb://host/share/x", rules=None))


# --- what a server may not do -------------------------------------------------------------------


def led_to(url: str) -> Callable[[Handler], None]:
    return lambda handler: handler.answer(302, Location=url)


def compressed(handler: Handler) -> None:
    handler.answer(200, b"x", Content_Encoding="gzip")


def more_than_it_says(handler: Handler) -> None:
    probe = handler.headers.get("Range") == "bytes=0-0"
    handler.answer(206, b"x", Content_Range="bytes 0-0/5") if probe else handler.answer(
        200, b"x" * 50
    )


@pytest.mark.parametrize(
    ("act", "rules", "why"),
    [
        pytest.param(None, Rules(), "not public", id="this-machine"),
        pytest.param(led_to("https://127.0.0.2:{port}/x"), RULES, "not public", id="led-there"),
        pytest.param(led_to("https://169.254.169.254/"), RULES, "not public", id="metadata"),
        pytest.param(led_to("https://[::ffff:127.0.0.2]/"), RULES, "not public", id="mapped"),
        pytest.param(led_to("http://127.0.0.1:{port}/x"), ONLY, "does not ask", id="http"),
        pytest.param(led_to("file:///etc/passwd"), RULES, "does not ask", id="file"),
        pytest.param(led_to("/x"), RULES, "in a circle", id="circle"),
        pytest.param(
            lambda handler: handler.answer(403), RULES, "does not let the room in", id="403"
        ),
        pytest.param(lambda handler: handler.answer(404), RULES, "nothing is at", id="404"),
        pytest.param(compressed, RULES, "compressed", id="compressed"),
        pytest.param(more_than_it_says, RULES, "changed while|larger than", id="more"),
    ],
)
def test_an_address_that_leads_elsewhere_or_lies_is_refused_in_words(
    room: Room, web: FileServer, act: Callable[[Handler], None] | None, rules: Rules, why: str
) -> None:
    port = web.url.rpartition(":")[2]

    def answer(handler: Handler) -> None:
        real = handler.answer

        def with_port(status: int, content: bytes = b"", **headers: str) -> None:
            real(status, content, **{k: v.replace("{port}", port) for k, v in headers.items()})

        handler.answer = with_port  # type: ignore[method-assign]
        assert act is not None
        act(handler)
        handler.answer = real  # type: ignore[method-assign]

    if act:
        web.acts["/x"] = answer
    web.files["/x"] = b"never"
    job = room.begin(f"{web.url}/x?token={SECRET}", rules=rules)
    with pytest.raises(WrongError, match=why) as error:
        room.run(job)
    assert SECRET not in str(error.value)
    assert room.desk.get(job.id).state == "failed"


def test_a_name_is_of_no_use_to_reach_this_machine(room: Room, web: FileServer) -> None:
    port = web.url.rpartition(":")[2]
    with pytest.raises(WrongError, match="not public"):
        room.run(room.begin(f"https://localhost:{port}/x", rules=Rules()))


@pytest.mark.parametrize(
    ("address", "access"),
    [
        pytest.param("s3://bucket/x", {"endpoint": "http://127.0.0.2:9"}, id="s3"),
        pytest.param("hf://datasets/org/name", {"endpoint": "http://127.0.0.2:9"}, id="hf"),
    ],
)
def test_no_library_reaches_who_may_not_be_asked(
    room: Room, address: str, access: dict[str, str]
) -> None:
    with pytest.raises(WrongError, match="not public"):
        room.run(room.begin(address, access=Access(**access)))


def test_a_server_that_is_not_trusted_is_not_believed(
    room: Room, web: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(WrongError, match="not one that this room trusts"):
        room.run(room.begin(f"{web.url}/x"))


def test_a_name_that_no_dataset_may_have_is_refused_before_anything_is_fetched(
    room: Room, web: FileServer
) -> None:
    web.files = {"/x\ny": b"1"}
    with pytest.raises(PathRefusedError, match="line break"):
        room.run(room.begin(f"{web.url}/x%0Ay"))
    assert not web.asked


def silent(handler: Handler) -> None:
    handler.told.stop.wait(60)


def endless(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    while not handler.told.stop.is_set():
        handler.wfile.write(b"x" * 65536)


@pytest.mark.parametrize("act", [silent, endless])
def test_it_is_cancelled_at_once_whatever_the_server_does(
    room: Room, web: FileServer, act: Callable[[Handler], None]
) -> None:
    web.acts["/x"] = act
    job = room.begin(f"{web.url}/x")
    worker = room.worker(job)
    wait_until(lambda: web.seen, timeout=60)
    begun = time.monotonic()
    assert not upkeep.cancel(room.desk, job.id)
    worker.wait(20)
    assert time.monotonic() - begun < 5
    assert room.library.leaked() == []


# --- what lets the room in ----------------------------------------------------------------------


def test_a_password_lies_nowhere_in_the_clear_and_goes_with_its_publication(
    room: Room, web: FileServer
) -> None:
    web.authorization = "Basic " + "no" * 4
    access = Access(user="tina", password=SECRET)
    job = room.begin(f"{web.url}/x?signature={SECRET}-2", access=access)
    with pytest.raises(WrongError, match="does not let the room in"):
        room.run(job)
    assert SECRET.encode() not in room.text()
    assert room.desk.revealed(room.desk.get(job.id))["secret"]["access"]["password"] == SECRET
    assert (room.root / "key").stat().st_mode & 0o777 == 0o600
    worker = room.worker(job)
    command = Path(f"/proc/{worker.pid}/cmdline").read_bytes()
    assert SECRET.encode() not in command + Path(f"/proc/{worker.pid}/environ").read_bytes()
    worker.wait(60)
    web.authorization, web.files = "", {"/x": b"content"}
    made = room.run(job)
    assert not (room.desk.directory(made) / "secret").exists()
    assert SECRET.encode() not in room.text()


def test_a_lost_key_asks_for_the_password_again(room: Room, web: FileServer) -> None:
    job = room.begin(f"{web.url}/x")
    (room.root / "key").unlink()
    with pytest.raises(LostSecretError, match="give it again"):
        room.run(job)


def test_nothing_of_the_host_s_own_lets_a_publication_in(
    room: Room, s3: str, web: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command may use it: what an admin may read is theirs to publish."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("HF_TOKEN", SECRET)
    with pytest.raises(WrongError, match="does not let the room in"):
        room.run(room.begin("s3://bucket/database", access=Access(endpoint=s3)))
    web.files = {"README": b"x"}
    room.run(room.begin("hf://datasets/org/name", access=Access(endpoint=web.url)))
    assert not any("authorization" in map(str.lower, headers) for _, headers in web.seen)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    made = room.run(room.begin("s3://bucket/database", access=Access(endpoint=s3), rules=None))
    assert room.tree(made) == sums({"database": b"another"})


# --- kills --------------------------------------------------------------------------------------

KILLS = 8


def children(pid: int) -> list[int]:
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        found += map(int, path.read_text().split())
    return found


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def whole_files(room: Room, job: Job) -> set[str]:
    """Return what the journal has as done."""
    try:
        lines = (room.desk.directory(job) / "journal.jsonl").read_text().splitlines()
    except FileNotFoundError:
        return set()
    return {json.loads(json.loads(line)["entry"])["path"] for line in lines if line.endswith("}")}


@pytest.mark.parametrize("kind", ["https", "hf", "s3", "archives"])
def test_a_publication_that_is_killed_at_any_time_is_whole_or_not_there_and_goes_on(
    room: Room, web: FileServer, s3: str, kind: str
) -> None:
    files = {str(number): some(400_000, number) for number in range(6)}
    web.pause = 0.02
    if kind == "https":
        web.files = {f"/{name}": content for name, content in files.items()}
        job = room.begin(*(f"{web.url}/{name}" for name in files))
    elif kind == "hf":
        web.files = dict(files)
        job = room.begin("hf://datasets/org/name", access=Access(endpoint=web.url))
    elif kind == "s3":
        files = {f"ä {number}.bin": random.Random(number).randbytes(700_000) for number in range(4)}
        access = Access(key="key", secret=SECRET, endpoint=s3)
        job = room.begin("s3://bucket/data", access=access)
    else:
        web.files = {f"/{n}.zip": archived("zip", {n: c}) for n, c in files.items()}
        job = room.begin(*(f"{web.url}/{name}.zip" for name in files), unpack=True)
    chance, asked = random.Random(kind), dict[str, int]()
    for _ in range(KILLS):
        worker = room.worker(job)
        # A moment, and no condition: whatever it is at.
        time.sleep(chance.uniform(0.1, 2.0))
        below = children(worker.pid)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        wait_until(lambda below=below: not any(map(lives, below)), timeout=10)
        assert room.library.catalog.all() == []
        for name in whole_files(room, job):
            asked.setdefault(name, web.asked[f"/{name}"])
    web.pause = 0.0
    made = room.run(job)
    assert room.tree(made) == sums(files)
    # What was whole was not asked for again.
    assert all(web.asked[f"/{name}"] == count for name, count in asked.items())
    announce(room.library.catalog, room.desk, made)
    assert room.library.leaked() == room.library.broken() == []
