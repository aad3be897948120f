"""What a unit counts towards a budget."""

from __future__ import annotations

import pytest

from room.gpus.rates import rate
from room.models import GPUUnit

A100 = GPUUnit("A", 0, "NVIDIA A100-SXM4-80GB", 81_920)
MIG = GPUUnit("M", 0, "NVIDIA A100-SXM4-80GB", 10_240, kind="mig", mig_profile="1g.10gb")
SEATS = tuple(GPUUnit(f"T/{n}", 1, "Tesla T4", 4_000, kind="seat", parent="T") for n in range(4))


@pytest.mark.parametrize(
    ("unit", "rates", "expected"),
    [
        pytest.param(A100, {}, 1.0, id="nothing-said"),
        pytest.param(A100, {"a100": 3}, 3.0, id="part-of-the-name"),
        pytest.param(A100, {"A100": 3, "A100-SXM4": 4}, 4.0, id="longest-part"),
        pytest.param(A100, {"seat": 0.1, "T4": 2}, 1.0, id="others"),
        pytest.param(MIG, {"A100": 3, "1g.10gb": 0.5}, 0.5, id="mig-profile-before-name"),
        pytest.param(MIG, {"A100": 3}, 3.0, id="mig-by-its-card"),
        pytest.param(SEATS[0], {}, 0.25, id="seat-is-its-part"),
        pytest.param(SEATS[0], {"T4": 0.8}, 0.2, id="seat-is-its-part-of-the-card's"),
        pytest.param(SEATS[0], {"T4": 0.8, "seat": 0.5}, 0.5, id="seat-said"),
    ],
)
def test_rate(unit: GPUUnit, rates: dict[str, float], expected: float) -> None:
    assert rate(unit, rates, (A100, MIG, *SEATS)) == pytest.approx(expected)
