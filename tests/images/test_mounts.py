"""Class folders and datasets in the pytorch image: JupyterLab's list of files shows them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.images.conftest import Home
from tests.utils.user_server import UserServer

pytestmark = [
    pytest.mark.images,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a directory to the image's user"),
]


def test_a_student_opens_the_folder_and_hands_in_from_the_list_of_files(
    pytorch: str, home: Home, tmp_path: Path
) -> None:
    folder, mine = tmp_path / "folder", tmp_path / "alice"
    for path in (folder, mine, folder / "hand-in"):
        path.mkdir()
    os.chown(mine, 1000, 100)
    (folder / "lesson.txt").write_text("one")
    mounts = (
        f"--mount=type=bind,src={folder},dst=/class/ml101,readonly",
        f"--mount=type=bind,src={mine},dst=/class/ml101/hand-in",
    )
    work = {"type": "file", "format": "text", "content": "done"}
    with UserServer(pytorch, home.mount, *mounts) as server:
        server.wait(timeout=90)
        assert "class" in {entry["name"] for entry in server.api("contents/")["content"]}
        listed = {entry["name"] for entry in server.api("contents/class/ml101")["content"]}
        assert listed == {"lesson.txt", "hand-in"}
        assert server.api("contents/class/ml101/lesson.txt")["content"] == "one"
        server.api("contents/class/ml101/hand-in/work.txt", "PUT", work)
        with pytest.raises(AssertionError, match=r"PUT contents/class/ml101/lesson\.txt: [45]"):
            server.api("contents/class/ml101/lesson.txt", "PUT", work)
        # Deleting the way there deletes nothing of what it leads to.
        with pytest.raises(AssertionError, match=r"DELETE contents/class: [45]"):
            server.api("contents/class", "DELETE")
    assert (mine / "work.txt").read_text() == "done"
    assert (folder / "lesson.txt").read_text() == "one"


def test_who_is_in_no_class_any_more_has_no_way_that_leads_nowhere(
    pytorch: str, home: Home
) -> None:
    home.prepare("ln -s /class class")
    with UserServer(pytorch, home.mount) as server:
        server.wait(timeout=90)
        assert "class" not in {entry["name"] for entry in server.api("contents/")["content"]}
        assert server.sh("ls -A /home/jovyan").split().count("class") == 0


def test_a_student_reads_a_datasets_page_and_files_from_the_list_of_files(
    pytorch: str, home: Home, tmp_path: Path
) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "labels.csv").write_text("1,daisy")
    (tmp_path / "README.md").write_text("# flowers")
    mounts = (
        f"--mount=type=bind,src={tmp_path / 'tree'},dst=/datasets/flowers,readonly",
        f"--mount=type=bind,src={tmp_path / 'README.md'},dst=/datasets/README/flowers.md,readonly",
    )
    with UserServer(pytorch, home.mount, *mounts) as server:
        server.wait(timeout=90)
        listed = {entry["name"] for entry in server.api("contents/datasets")["content"]}
        assert listed == {"README", "flowers"}
        page = server.api("contents/datasets/README/flowers.md")
        assert page["content"] == "# flowers"
        assert server.api("contents/datasets/flowers/labels.csv")["content"] == "1,daisy"
        with pytest.raises(AssertionError, match=r"DELETE contents/datasets: [45]"):
            server.api("contents/datasets", "DELETE")
    assert (tmp_path / "tree" / "labels.csv").read_text() == "1,daisy"


def test_a_home_does_not_lead_to_datasets_where_a_server_has_none(pytorch: str, home: Home) -> None:
    home.prepare("ln -s /datasets datasets")
    with UserServer(pytorch, home.mount) as server:
        server.wait(timeout=90)
        assert "datasets" not in {entry["name"] for entry in server.api("contents/")["content"]}
