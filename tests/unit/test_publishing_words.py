"""Why a publication ended: the agent says it in English, and the console in its reader's words."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.render import in_words

ROOT = Path(__file__).parents[2]

#: What is the same in every language: values, names of formats, and a command's options.
AS_IT_IS = (
    "[x]", "UTF-8", "MiB", "--sparse", "--ultra", "--long", "Deflate", "tar.gz", "tar.zst", ".tar",
    "tar", "zip",
)  # fmt: skip
#: Where a publication says why it ended.
SAYING = (
    "room/datasets/archive_rules.py",
    "room/datasets/paths.py",
    "room/datasets/space.py",
    "publishing/folder.py",
    "publishing/sources.py",
    "publishing/stage.py",
)


def rules() -> Iterator[str]:
    """Yield what a publication may say of its end: read from the sources, with [x] for values."""
    for source in SAYING:
        for node in ast.walk(ast.parse((ROOT / source).read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "said":
                yield re.sub(r"%\(\w+\)s", "[x]", ast.literal_eval(node.args[0]))
            elif isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                # What is raised without a pattern.
                plain = (each for each in node.exc.args if isinstance(each, ast.JoinedStr))
                yield from map(_plain, plain)


def _plain(text: ast.JoinedStr) -> str:
    return "".join(
        str(each.value) if isinstance(each, ast.Constant) else "[x]" for each in text.values
    )


@pytest.mark.parametrize("text", sorted(set(rules())))
def test_why_it_failed_is_said_in_chinese_though_the_agent_says_it_in_english(text: str) -> None:
    assert in_words(text, "en") == text
    told = in_words(text, "zh_CN")
    for as_it_is in AS_IT_IS:
        told = told.replace(as_it_is, "")
    assert re.search(r"[\u4e00-\u9fff]", told)
    assert not re.search(r"[A-Za-z]{2}", told), told
