"""Lines per file and per floor; fails when a file is longer than 700 lines.

python tools/sizes.py            every file, largest first, and the sum of each floor
python tools/sizes.py --quiet    only the files that are too long
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("graphdl", "tests", "tools", "examples")
MAXIMUM_LINES = 700
FLOORS_FILE = ROOT / "tests" / "architecture" / "test_layers.py"


def count_lines(root: Path) -> dict[Path, int]:
    """Lines of every Python file below the folders that are kept small, by relative path."""
    return {
        path.relative_to(root): len(path.read_text(encoding="utf-8").splitlines())
        for folder in FOLDERS
        for path in sorted((root / folder).rglob("*.py"))
    }


def read_floors() -> dict[str, int]:
    """The floor of each module, as the architecture test has it."""
    tree = ast.parse(FLOORS_FILE.read_text(encoding="utf-8"))
    for statement in tree.body:
        if isinstance(statement, ast.AnnAssign) and ast.unparse(statement.target) == "FLOORS":
            assert statement.value is not None
            table: dict[int, tuple[str, ...]] = ast.literal_eval(statement.value)
            return {module: floor for floor, modules in table.items() for module in modules}
    raise SystemExit(f"{FLOORS_FILE} has no FLOORS")


def group_of(path: Path, floors: dict[str, int]) -> str:
    """Where a file is counted: its floor, or its folder outside graphdl."""
    parts = path.with_suffix("").parts
    if parts[0] != "graphdl":
        return parts[0]
    names = (".".join(parts[1:end]) for end in range(len(parts), 1, -1))
    return next((f"floor {floors[name]}" for name in names if name in floors), "floor 9")


def table_lines(sizes: dict[Path, int]) -> Iterator[str]:
    """The report: every file, then the groups from the top floor to the ground."""
    for path, lines in sorted(sizes.items(), key=lambda item: -item[1]):
        yield f"{lines:6}  {path}"
    floors = read_floors()
    totals: dict[str, list[int]] = {}
    for path, lines in sizes.items():
        totals.setdefault(group_of(path, floors), []).append(lines)
    yield ""
    for group in sorted(totals, reverse=True):
        yield f"{sum(totals[group]):6}  {group}, {len(totals[group])} files"
    yield f"{sum(sizes.values()):6}  in all, {len(sizes)} files"


def main(arguments: list[str] | None = None) -> int:
    """Print the report; 1 when a file is too long."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quiet", action="store_true", help="print only what is too long")
    parser.add_argument("--root", type=Path, default=ROOT, help="the tree to measure")
    options = parser.parse_args(arguments)
    sizes = count_lines(options.root)
    if not options.quiet:
        print("\n".join(table_lines(sizes)))
    too_long = {path: lines for path, lines in sizes.items() if lines > MAXIMUM_LINES}
    for path, lines in too_long.items():
        print(f"{path} has {lines} lines; {MAXIMUM_LINES} is the limit", file=sys.stderr)
    return 1 if too_long else 0


if __name__ == "__main__":
    sys.exit(main())
