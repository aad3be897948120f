"""What is at an address, whichever protocol it has, and how each file of it is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, Protocol

from publishing.remote.web import CONNECT, SILENCE, State, Web
from publishing.remote.wrong import WrongError
from room.datasets.addresses import WEB, Access, Rules, name, protocol

#: Seconds for which an S3's own address of one file is good: longer than its reading may begin.
SIGNED = 900
#: Seconds of an S3's client, as ``web`` has them.
TIMEOUTS = {"connect_timeout": CONNECT, "read_timeout": SILENCE}
#: Bytes that are read at once from what fsspec opens.
BLOCK = 4 << 20

#: A file that was found: its path in the dataset, its ``State``, and what its reader needs.
Found = Mapping[str, Any]


class Place(Protocol):
    """One address."""

    def list(self) -> Iterator[Found]:
        """Yield the files there. Raises ``WrongError``, or what its library raises."""

    def read(self, found: Found, start: int) -> Iterator[int | bytes]:
        """Yield where reading begins, ``start`` or 0, and then the file from there on."""


def at(address: str, access: Access, rules: Rules | None) -> Place:
    """Return what reads an address. Without ``rules`` it may use what this machine has anyway."""
    kind = protocol(address)
    if kind in WEB:
        return WebFile(address, access, rules)
    if kind == "s3":
        return Bucket(address, access, rules)
    if kind == "hf":
        return Hub(address, access, rules)
    return Anything(address, access)


def state_of(found: Found) -> State:
    return State(*found["state"])


def _found(path: str, state: State, where: Any = None, sha256: str = "") -> Found:
    told = list(asdict(state).values())
    return {"path": path, "state": told, "where": where, "sha256": sha256}


class WebFile:
    """A file of a web server."""

    def __init__(self, address: str, access: Access, rules: Rules | None) -> None:
        self._address = address
        self._web = Web(rules.protocols if rules else WEB, access)

    def list(self) -> Iterator[Found]:
        yield _found(name(self._address), self._web.look(self._address))

    def read(self, found: Found, start: int) -> Iterator[int | bytes]:
        return self._web.pieces(self._address, start, state_of(found))


class Bucket:
    """A file of an S3 bucket, or all below a folder of it."""

    def __init__(self, address: str, access: Access, rules: Rules | None) -> None:
        from s3fs import S3FileSystem

        self._bucket, _, self._key = address.removeprefix("s3://").partition("/")
        options: dict[str, Any] = {"endpoint_url": access.endpoint or None}
        if access.key:
            options |= {
                "key": access.key,
                "secret": access.secret,
                "token": access.token or None,
            }
        else:
            # What the host itself may read is nothing for who has no account there.
            options["anon"] = rules is not None
        self._files = S3FileSystem(
            **options,
            cache_regions=not access.endpoint,
            config_kwargs={"retries": {"max_attempts": 2}, **TIMEOUTS},
            skip_instance_cache=True,
        )
        self._web = Web(rules.protocols if rules else WEB)

    def list(self) -> Iterator[Found]:
        key = self._key
        below = key if not key or key.endswith("/") else f"{key}/"
        some = False
        for each in self._pages(key):
            there = str(each["Key"])
            state = State(str(each.get("ETag", "")), "", int(each["Size"]))
            if there == key:
                yield _found(key.rpartition("/")[2], state, there)
                return
            if there.startswith(below) and not there.endswith("/"):
                some = True
                yield _found(there[len(below) :], state, there)
        if not some:
            raise WrongError("gone")

    def _pages(self, prefix: str) -> Iterator[Mapping[str, Any]]:
        more: dict[str, str] = {}
        while True:
            page = self._files.call_s3(
                "list_objects_v2", Bucket=self._bucket, Prefix=prefix, **more
            )
            yield from page.get("Contents", ())
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def read(self, found: Found, start: int) -> Iterator[int | bytes]:
        url = self._files.url(f"{self._bucket}/{found['where']}", expires=SIGNED)
        return self._web.pieces(url, start, state_of(found))


class Hub:
    """A file, a folder or all of a repository of a hub of models and datasets."""

    def __init__(self, address: str, access: Access, rules: Rules | None) -> None:
        from huggingface_hub import HfFileSystem

        # False: none that lies on the host.
        token = access.token or (False if rules else None)
        self._address = address
        self._files = HfFileSystem(
            endpoint=access.endpoint or None, token=token, skip_instance_cache=True
        )
        self._web = Web(rules.protocols if rules else WEB, Access(token=access.token))

    def list(self) -> Iterator[Found]:
        from huggingface_hub.hf_api import RepoFile
        from huggingface_hub.hf_file_system import HfFileSystemResolvedRepositoryPath

        api = self._files._api
        at = self._files.resolve_path(self._address)
        if not isinstance(at, HfFileSystemResolvedRepositoryPath):
            raise WrongError("gone")
        about: dict[str, Any] = {"repo_id": at.repo_id, "repo_type": at.repo_type}
        # What a branch means may be something else in a minute: from here on it is this commit.
        commit = api.repo_info(**about, revision=at.revision).sha
        about["revision"] = commit
        path = at.path_in_repo.strip("/")
        if path:
            named = api.get_paths_info(paths=[path], **about)
            if not named:
                raise WrongError("gone")
            if isinstance(named[0], RepoFile):
                yield self._file(named[0], path.rpartition("/")[2], about)
                return
        for each in api.list_repo_tree(path_in_repo=path or None, recursive=True, **about):
            if isinstance(each, RepoFile):
                yield self._file(each, each.path[len(path) + 1 if path else 0 :], about)

    def _file(self, file: Any, path: str, about: Mapping[str, Any]) -> Found:
        sha256 = str(file.lfs.sha256) if file.lfs else ""
        # Whatever of it is the same file is the same, in every commit.
        state = State(str(file.blob_id or ""), "", int(file.size))
        return _found(path, state, {**about, "filename": file.path}, sha256)

    def read(self, found: Found, start: int) -> Iterator[int | bytes]:
        from huggingface_hub import hf_hub_url

        url = hf_hub_url(**found["where"], endpoint=self._files.endpoint)
        return self._web.pieces(url, start, state_of(found), fixed=True)


class Anything:
    """Whatever else fsspec speaks: for who has an account on the host."""

    def __init__(self, address: str, access: Access) -> None:
        import fsspec

        self._address = address
        given = {"username": access.user, "password": access.password, "token": access.token}
        options = {key: value for key, value in given.items() if value}
        self._files, self._root = fsspec.core.url_to_fs(address, **options)

    def list(self) -> Iterator[Found]:
        root = self._root
        info = self._files.info(root)
        if info["type"] != "directory":
            yield self._file(root.rpartition("/")[2], info)
            return
        above = root.strip("/")
        for path, each in self._files.find(root, detail=True).items():
            below = path.strip("/").removeprefix(above)
            yield self._file(below.lstrip("/"), each)

    def _file(self, path: str, info: Mapping[str, Any]) -> Found:
        size = info.get("size")
        says = (info.get(key) for key in ("ETag", "etag", "mtime", "LastModified", "modified"))
        changed = next((str(each) for each in says if each), "")
        state = State(changed, "", None if size is None else int(size))
        return _found(path, state, info["name"])

    def read(self, found: Found, start: int) -> Iterator[int | bytes]:
        with self._files.open(found["where"], "rb", block_size=BLOCK) as file:
            if start:
                file.seek(start)
            yield start
            while piece := file.read(BLOCK):
                yield piece
