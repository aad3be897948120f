"""A result row as bars: the median, every single run, and the target. SVG."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path
from statistics import median

from bench.harness import LIMIT, OURS, PEER, SAME_IMAGE, Result

#: The contenders, top to bottom, as the table calls them.
NAMES = {
    OURS: "Ours",
    PEER: "Stock",
    SAME_IMAGE: "Stock, our image",
    LIMIT: "Floor",
}
_LEFT, _WIDTH, _ROW = 150, 560, 34


def file_name(name: str) -> str:
    """Return a row's name as a part of a file's."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def draw(path: Path, result: Result) -> None:
    """Write the picture of one row; it has a bar for each contender that has a figure."""
    shown = [(who, result.runs[who]) for who in NAMES if result.runs.get(who)]
    most = max([result.target or 0.0, *(max(runs) for _who, runs in shown)]) or 1.0
    scale = _WIDTH / most
    height = 70 + _ROW * len(shown)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 {height}" '
        'font-family="sans-serif" font-size="12">'
        f'<rect width="800" height="{height}" fill="white"/>',
        f'<text x="12" y="24" font-size="15">{escape(result.name)}, {escape(result.unit)}</text>',
    ]
    for number, (who, runs) in enumerate(shown):
        middle, top = median(runs), 42 + _ROW * number
        lines.append(f'<text x="12" y="{top + 15}">{NAMES[who]}</text>')
        lines.append(
            f'<rect x="{_LEFT}" y="{top}" width="{middle * scale:.1f}" height="20" '
            f'fill="{"#2b6cb0" if who == OURS else "#a0aec0"}"/>'
        )
        lines += [
            f'<circle cx="{_LEFT + run * scale:.1f}" cy="{top + 10}" r="2.5" fill="none" '
            'stroke="black"/>'
            for run in runs
        ]
        lines.append(
            f'<text x="{_LEFT + max(runs) * scale + 8:.1f}" y="{top + 15}">{middle:.2f}</text>'
        )
    if result.target:
        at = _LEFT + result.target * scale
        lines.append(
            f'<path d="M{at:.1f} 36V{height - 26}" stroke="#c53030" stroke-dasharray="4 3"/>'
            f'<text x="{at:.1f}" y="{height - 10}" text-anchor="middle" fill="#c53030">'
            f"target {result.target:.2f}</text>"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*lines, "</svg>", ""]))
