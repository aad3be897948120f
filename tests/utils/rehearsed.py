"""A rehearsal of three students, one of whom did not come to the end; to be altered by tests."""

from __future__ import annotations

from datetime import datetime, timezone

from room.rehearsal.model import Cell, Host, Limits, Look, Peaks, Rehearsal, Start, Student

MIB, GIB = 1024**2, 1024**3
STAGES = {"checking": 0.1, "gpu": 0.0, "home": 0.1, "turn": 0.5, "creating": 0.3, "booting": 2.0}

HOST = Host(cores=8, memory=64 * GIB, available=60 * GIB, reserve=GIB, headroom=512 * MIB)


def student(number: int, memory: int = 600 * MIB, error: str = "") -> Student:
    return Student(
        number,
        Start(STAGES, 3.0 + number, 4.0 + number),
        (Cell(1.0), Cell(2.0 * number, error)),
        Peaks(memory, memory + 200 * MIB, 64 * MIB),
        cpu=3.0,
    )


REHEARSAL = Rehearsal(
    id="20261127-090000-0a1b2c",
    class_name="a",
    at=datetime(2026, 11, 27, 9, tzinfo=timezone.utc),
    seconds=30.0,
    profile="cpu",
    notebook="lesson.ipynb",
    spread=0.0,
    cells=("import torch", "train()"),
    students=(student(1), student(2), student(3, 700 * MIB, "ZeroDivisionError: <b>by zero")),
    host=HOST,
    limits=Limits(2.0, 4 * GIB, GIB),
    looks=(
        Look(0.0, 0, 0, 60 * GIB, 0.1, 0),
        Look(0.25, 1900 * MIB, 30 * MIB, 58 * GIB, 0.9, 5 * MIB),
    ),
    sampled=0.25,
)
