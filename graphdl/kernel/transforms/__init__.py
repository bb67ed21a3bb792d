"""Rewrites of kernels and values, each one verb: Kernel to Kernel, or Value to Lets and a Value.

`resolve_divisions` and `collapse_axes` (over the tables of `reshaping`) give axes and buffers the
shapes that fit, `abstract_sizes` turns extents into size symbols, `canonicalize` names things so
that equal nests have equal text, and `expand_math` writes transcendental functions as arithmetic.
Used by lowering and by the backends.
"""
