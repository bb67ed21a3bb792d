"""What graphdl has of the array API, jax.lax, jax.nn and torch.nn.functional: `tools/coverage.py`.

The tables in tools/peers are literals; nothing is downloaded and no peer is imported. A line is

    their_name our_name keyword keyword=ours !keyword

with our name left out where it is theirs, a keyword under our name after "=", and "!" before one
that we do not have. "- their_name reason" is a function that is missing; "x their_name reason" one
that makes no sense here and is not counted. The names and keywords on our side are looked up.
"""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path

import graphdl as gd

TABLES = Path(__file__).parent / "peers"


@dataclass(frozen=True)
class Row:
    """One function of a peer: where it is here, or why it is not."""

    name: str
    home: str | None = None
    reason: str = ""
    is_counted: bool = True
    keywords: dict[str, str] = field(default_factory=dict)
    lacking: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether the function is here with all of its keywords."""
        return self.home is not None and not self.lacking


def read_row(line: str) -> Row:
    """One line of a table."""
    first, *rest = line.split()
    if first in "-x":
        return Row(rest[0], reason=" ".join(rest[1:]), is_counted=first == "-")
    home, keywords, lacking = first, {}, []
    for place, part in enumerate(rest):
        theirs, _, ours = part.partition("=")
        if part.startswith("!"):
            lacking.append(part[1:])
        elif ours:
            keywords[theirs] = ours
        elif place == 0 and part.startswith("gd."):
            home = part[3:]
        else:
            keywords[part] = part
    return Row(first, home, keywords=keywords, lacking=tuple(lacking))


def read_table(path: Path) -> list[Row]:
    """The rows of a table; lines that begin with # and empty ones are left out."""
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [read_row(line) for line in lines if line and not line.startswith("#")]


def faults(row: Row) -> Iterator[str]:
    """What a row says that is not so."""
    if row.home is None:
        if not row.reason:
            yield f"{row.name}: no reason"
        return
    try:
        function = attrgetter(row.home)(gd)
    except AttributeError:
        yield f"{row.name}: gd.{row.home} does not exist"
        return
    parameters = inspect.signature(function).parameters
    for theirs, ours in row.keywords.items():
        if ours not in parameters:
            yield f"{row.name}: gd.{row.home} has no {ours!r} for {theirs!r}"


def report(title: str, rows: list[Row]) -> Iterator[str]:
    """Lines of text about one peer."""
    counted = [row for row in rows if row.is_counted]
    present = [row for row in counted if row.home is not None]
    complete = [row for row in present if row.is_complete]
    share = 100 * len(complete) / max(len(counted), 1)
    yield (
        f"{title}: {len(present)} of {len(counted)} functions, "
        f"{len(complete)} with every keyword ({share:.0f} %)"
    )
    for row in present:
        if row.lacking:
            yield f"  {row.name}: gd.{row.home} without {', '.join(row.lacking)}"
    for row in rows:
        if row.home is None:
            kind = "missing" if row.is_counted else "not counted"
            yield f"  {row.name}: {kind}: {row.reason}"


def main(arguments: list[str] | None = None) -> int:
    """Print the report; 1 where a table says what is not so."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--brief", action="store_true", help="one line for each peer")
    parser.add_argument("--list", action="store_true", help="name every function that is here")
    options = parser.parse_args(arguments)
    wrong = False
    for path in sorted(TABLES.glob("*.txt")):
        rows = read_table(path)
        lines = list(report(path.stem.replace("_", "."), rows))
        print("\n".join(lines[:1] if options.brief else lines))
        if options.list:
            for row in rows:
                if row.home is not None:
                    pairs = (k if k == v else f"{k}={v}" for k, v in row.keywords.items())
                    print(f"  {row.name}: gd.{row.home}({', '.join(pairs)})")
        for fault in (fault for row in rows for fault in faults(row)):
            print(f"  WRONG {fault}")
            wrong = True
    return int(wrong)


if __name__ == "__main__":
    raise SystemExit(main())
