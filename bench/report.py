"""Result files → the README's table.

python -m bench.report               print the table
python -m bench.report --write F     put it between F's bench marks
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from bench.harness import LIMIT, OURS, PEER, RESULTS, SAME_IMAGE

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"

HEAD = (
    "| What (median, smallest to largest) | Ours | Stock | Stock, our image | Floor "
    "| Stock ÷ ours | Target | Met |",
    "|---|---:|---:|---:|---:|---:|---:|:-:|",
)


def load(directory: Path = RESULTS) -> list[dict[str, Any]]:
    """Return the rows of every result file, by the files' names, but the queue's.

    Those are measured against other orders and not against stock: see bench/README.md.
    """
    paths = (path for path in sorted(directory.glob("*.json")) if not path.stem.startswith("queue"))
    return [row for path in paths for row in json.loads(path.read_text())]


def table(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return the Markdown table, and below it the machine that each figure comes from."""
    rows = list(rows)
    if not rows:
        return "No benchmark has been run here: `make bench`."
    lines = [*HEAD, *map(_line, rows), ""]
    lines += [f"Measured on {place}." for place in dict.fromkeys(map(_place, rows))]
    return "\n".join(lines)


def _line(row: Mapping[str, Any]) -> str:
    cells = [
        row["name"],
        *(_figure(row, who) for who in (OURS, PEER, SAME_IMAGE, LIMIT)),
        "-" if row["ratio"] is None else f"{row['ratio']:.2f}",
        "-" if row["target"] is None else f"≤ {_number(row['target'], row['unit'])}",
        {True: "yes", False: "no", None: "-"}[row["met"]],
    ]
    return f"| {' | '.join(cells)} |"


def _figure(row: Mapping[str, Any], who: str) -> str:
    runs: Sequence[float] = row["runs"].get(who, ())
    figure = row.get(who, median(runs) if runs else None)
    if figure is None:
        return "-"
    middle = _number(figure, row["unit"])
    if len(runs) < 2:
        return middle
    unit = row["unit"]
    least, most = (
        _number(figure, unit).removesuffix(f" {unit}") for figure in (min(runs), max(runs))
    )
    return middle if least == most else f"{middle} ({least} to {most})"


def _number(figure: float, unit: str) -> str:
    digits = 0 if figure == int(figure) and unit != "s" else (2 if figure < 10 else 1)
    return f"{figure:.{digits}f}{' ' + unit if unit else ''}"


def _place(row: Mapping[str, Any]) -> str:
    at = row["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in sorted(at["packages"].items()))
    return (
        f"{at['cores']} cores of {at['processor']}, {at['memory_gib']:.0f} GiB, "
        f"Docker Engine {at['engine']}, Python {at['python']}, {versions}; "
        f"load before the run {at['load_before']:.1f}"
    )


def insert(text: str, made: str) -> str:
    """Return ``text`` with ``made`` between its marks. Raises ``ValueError`` without marks."""
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"there are no marks {BEGIN} and {END}")
    return f"{head}{BEGIN}\n{made}\n{END}{tail}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.report", description=__doc__)
    parser.add_argument("--write", type=Path, metavar="FILE", help="file with bench marks")
    options = parser.parse_args(arguments)
    made = table(load())
    if options.write is None:
        print(made)
        return 0
    try:
        options.write.write_text(insert(options.write.read_text(), made))
    except (OSError, ValueError) as error:
        print(f"{options.write}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
