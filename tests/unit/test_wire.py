"""The kernel protocol's frames and the hub's event stream."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli import wire

CONTENT = st.dictionaries(st.text(max_size=8), st.text(max_size=20) | st.integers(), max_size=4)


@given(content=CONTENT, buffers=st.lists(st.binary(max_size=30), max_size=3))
def test_a_message_survives_its_frame(content, buffers):
    asked = wire.request("execute_request", {}, "s")
    message = wire.Message("iopub", {"msg_id": "1"}, asked.header, {}, content, tuple(buffers))

    assert wire.unpack(wire.pack(message)) == message


def test_frame_is_the_one_jupyter_server_documents():
    """Offsets count from the frame's start: one for each part, and one for the end."""
    frame = wire.pack(wire.Message("shell", {}, {}, {}, {}))

    words = [int.from_bytes(frame[8 * n : 8 * n + 8], "little") for n in range(7)]
    assert words == [6, 56, 61, 63, 65, 67, 69]
    assert frame[56:] == b"shell" + b"{}" * 4


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b'{"channel": "shell"}', id="json"),
        pytest.param((6).to_bytes(8, "little") + bytes(8) * 5, id="cut off among offsets"),
        pytest.param(
            b"".join(n.to_bytes(8, "little") for n in (6, 56, 61, 63, 65, 67, 1000)),
            id="parts beyond the end",
        ),
    ],
)
def test_what_is_no_message_is_refused(frame):
    with pytest.raises(ValueError, match="frame"):
        wire.unpack(frame)


def test_an_answer_names_its_question():
    first, second = (wire.request("execute_request", {}, "s") for _ in range(2))
    answer = wire.Message("shell", {}, parent=first.header)

    assert answer.answers(first)
    assert not answer.answers(second)


@pytest.mark.parametrize(
    ("line", "event"),
    [
        pytest.param('data: {"progress": 10}', {"progress": 10}, id="event"),
        pytest.param('data:{"progress": 10}', {"progress": 10}, id="no space"),
        pytest.param("", None, id="heartbeat"),
        pytest.param(": comment", None, id="comment"),
        pytest.param("data: 7", None, id="not an object"),
    ],
)
def test_event_stream(line, event):
    assert wire.event(line) == event
