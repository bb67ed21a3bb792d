"""Rewrites of kernels and values, each one verb: Kernel to Kernel, or Value to Lets and a Value.

`collapse_axes` merges loops over adjacent axes, `abstract_sizes` turns constant extents into size
symbols, `canonicalize` names things so that equal nests have equal text, and `expand_math` writes
transcendental functions as arithmetic. Used by lowering and by the backends.
"""
