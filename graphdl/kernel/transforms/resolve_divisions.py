"""Floor divisions and remainders in subscripts go: buffers and axes get the shapes that fit.

Why: a division costs tens of cycles for each element and hides that neighbours are neighbours in
memory. They come from reshapes inside a group.

    before   read b0: float32[n0, 28, 28]            after   read b0: float32[n0, 28, 28]
             write b1: float32[n0, 784]                      write b1: float32[n0, 28, 28]
             parallel i0 in 0:n0                             parallel i0 in 0:n0
                 parallel i1 in 0:784                            parallel i1 in 0:28
                     b1[i0, i1] = b0[i0, i1%28, i1//28]              parallel i2 in 0:28
                                                                         b1[i0, i1, i2] = …

Three moves, none of which ever leaves more divisions: axes of a buffer become one; one axis of the
nest becomes two; an axis of a buffer that is walked as n*i + j becomes two.

Ensures: the same values in the same order of every fold. Buffers are dense, so their new shapes are
views of the same memory. Divisions that no move removes stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

from graphdl.kernel.nodes import Axis, Kernel, Order, Statement, Sweep
from graphdl.kernel.transforms.reshaping import Access, Index, Reshaping
from graphdl.typesystem.expression import (
    Atom,
    FloorDivide,
    Maximum,
    Minimum,
    Modulo,
    Size,
    Symbol,
    add,
    floor_divide,
    free_symbols,
    modulo,
    monomial,
    multiply,
    substitute,
    terms_of,
)
from graphdl.typesystem.ranges import is_polynomial
from graphdl.typesystem.simplify import simplify

Division = tuple[Symbol, Size]
"""An axis and what it is divided by."""


def resolve_divisions(kernel: Kernel) -> Kernel:
    """`kernel` with as few divisions in its subscripts as reshaping can reach; the kernel itself
    when no move helps."""
    nest = _Nest(kernel)
    if not all(is_polynomial(part) for index in nest.places.values() for part in index):
        nest.merge_buffer_axes()
        nest.split_axes()
    nest.split_buffer_axes()
    return nest.rebuild(kernel)


class _Nest(Reshaping):
    """The three moves."""

    def __init__(self, kernel: Kernel) -> None:
        super().__init__(kernel)
        self.extents = {symbol: axis.extent for symbol, (axis,) in self.axes.items()}

    def sweep(self, sweep: Sweep) -> Iterable[Statement]:
        if any(each.order is Order.INTERLEAVED for each in sweep.accumulators):
            self.rigid.update(axis.symbol for axis in sweep.axes)  # its lanes run along one axis
        return super().sweep(sweep)

    def simple(self, index: Size) -> Size:
        """`index` by what is known of the axes in it."""
        if is_polynomial(index):
            return index
        used = free_symbols(index)
        extents = self.extents.items()
        return simplify(index, {axis: (0, extent - 1) for axis, extent in extents if axis in used})

    def subscripts(self, name: str) -> dict[Access, Index]:
        """The accesses of one buffer."""
        return {access: index for access, index in self.places.items() if access[0] == name}

    # A buffer's axes become one

    def merge_buffer_axes(self) -> None:
        """Wherever (x//n, x%n) of a buffer may as well be x."""
        for name in self.shapes:
            is_worth_trying = count_divisions(self.subscripts(name)) > 0
            while is_worth_trying:
                places = reversed(range(len(self.shapes[name]) - 1))
                is_worth_trying = any(self._merge_at(name, place) for place in places)

    def _merge_at(self, name: str, place: int) -> bool:
        shape = self.shapes[name]
        old = self.subscripts(name)
        new = {
            access: self._merged(index, place, shape[place + 1]) for access, index in old.items()
        }
        if count_divisions(new) >= count_divisions(old):
            return False
        self.places.update(new)
        size = multiply(shape[place], shape[place + 1])
        self.shapes[name] = (*shape[:place], size, *shape[place + 2 :])
        self.is_changed = True
        return True

    def _merged(self, index: Index, place: int, size: Size) -> Index:
        whole = self.simple(add(multiply(index[place], size), index[place + 1]))
        return (*index[:place], whole, *index[place + 2 :])

    # An axis becomes two

    def split_axes(self) -> None:
        """Wherever i//n and i%n of an axis may as well be axes themselves. Halves that are divided
        in turn would only make short loops: then all stays as it was."""
        before = (self.axes.copy(), self.plain, self.places, self.extents.copy(), self.is_changed)
        while any(self._split(*division) for division in self._candidates()):
            pass
        new = self.extents.keys() - before[3].keys()
        split = {axis.symbol for axes in self.axes.values() for axis in axes if len(axes) > 1}
        if new and any(_is_divided(index, split) for index in self.places.values()):
            self.axes, self.plain, self.places, self.extents, self.is_changed = before

    def _candidates(self) -> list[Division]:
        """What axes are divided by, the largest numbers first."""
        found: dict[Division, None] = {}
        for index in self.places.values():
            for atom in atoms_of(index):
                match atom:
                    case FloorDivide(Symbol() as axis, size) | Modulo(Symbol() as axis, size):
                        if axis in self.extents and axis not in self.rigid:
                            found[axis, size] = None
        return sorted(found, key=lambda each: -each[1] if isinstance(each[1], int) else 1)

    def _split(self, axis: Symbol, size: Size) -> bool:
        """Let `axis` count blocks of `size`, if that leaves fewer divisions."""
        extent = self.extents[axis]
        count = exact_quotient(extent, size)
        if count is None:
            return False
        low = Symbol(f"{axis.name}.{len(self.extents)}")
        self.extents.update({axis: count, low: size})
        replacements = {axis: add(multiply(size, axis), low)}
        places = {
            access: tuple(self._replaced(part, replacements) for part in index)
            for access, index in self.places.items()
        }
        if count_divisions(places) >= count_divisions(self.places):
            self.extents[axis] = extent
            del self.extents[low]
            return False
        self.plain = {old: self._replaced(new, replacements) for old, new in self.plain.items()}
        self.places = places
        self._insert(axis, (Axis(axis, count), Axis(low, size)))
        return True

    def _insert(self, symbol: Symbol, halves: tuple[Axis, Axis]) -> None:
        for name, axes in self.axes.items():
            parts = [halves if axis.symbol == symbol else (axis,) for axis in axes]
            self.axes[name] = tuple(chain.from_iterable(parts))
        self.is_changed = True

    def _replaced(self, index: Size, replacements: Mapping[Symbol, Size]) -> Size:
        replaced = substitute(index, replacements)
        return index if replaced == index else self.simple(replaced)

    # A buffer's axis becomes two

    def split_buffer_axes(self) -> None:
        """Wherever n*i + j of a buffer may as well be (i, j)."""
        for name in self.shapes:
            place = 0
            while place < len(self.shapes[name]):
                if not any(self._split_at(name, place, n) for n in self._steps(name, place)):
                    place += 1

    def _steps(self, name: str, place: int) -> list[Size]:
        """The factors of axes in subscripts of several terms."""
        found: dict[Size, None] = {}
        for index in self.subscripts(name).values():
            terms = terms_of(index[place])[0]
            for coefficient, atoms in terms if len(terms) > 1 else ():
                for axis in (atom for atom in atoms if atom in self.extents):
                    factors = tuple(atom for atom in atoms if atom != axis)
                    found[monomial(coefficient, factors)] = None
        return [factor for factor in found if not isinstance(factor, int) or factor > 1]

    def _split_at(self, name: str, place: int, size: Size) -> bool:
        shape = self.shapes[name]
        count = exact_quotient(shape[place], size)
        if count is None:
            return False
        old = self.subscripts(name)
        new: dict[Access, Index] = {}
        is_walked = False
        for access, index in old.items():
            high = self.simple(floor_divide(index[place], size))
            low = self.simple(modulo(index[place], size))
            is_walked |= not isinstance(high, int) and not isinstance(low, int)
            new[access] = (*index[:place], high, low, *index[place + 1 :])
        if not is_walked or count_divisions(new) > count_divisions(old):
            return False
        self.places.update(new)
        self.shapes[name] = (*shape[:place], count, size, *shape[place + 1 :])
        self.is_changed = True
        return True


def exact_quotient(size: Size, divisor: Size) -> Size | None:
    """size / divisor when that has no rest and neither is 1."""
    quotient = floor_divide(size, divisor) if divisor != 0 else 1
    is_exact = multiply(quotient, divisor) == size
    return quotient if is_exact and quotient != 1 and divisor != 1 else None


def count_divisions(places: Mapping[Access, Index]) -> int:
    """How many divisions and remainders the subscripts have."""
    return sum(
        isinstance(atom, FloorDivide | Modulo)
        for index in places.values()
        for atom in atoms_of(index)
    )


def _is_divided(index: Index, axes: set[Symbol]) -> bool:
    """Whether a division of one of the axes is left."""
    divisions = (atom for atom in atoms_of(index) if isinstance(atom, FloorDivide | Modulo))
    return any(not axes.isdisjoint(free_symbols(atom)) for atom in divisions)


def atoms_of(sizes: Iterable[Size]) -> Iterator[Atom]:
    """Every factor of every term, and what is inside of it."""
    for size in sizes:
        if isinstance(size, int):
            continue
        for _, atoms in terms_of(size)[0]:
            for atom in atoms:
                yield atom
                match atom:
                    case FloorDivide(left, right) | Modulo(left, right):
                        yield from atoms_of((left, right))
                    case Minimum(terms) | Maximum(terms):
                        yield from atoms_of(terms)
