"""From groups of nodes to loops: one tiled Kernel for each Group.

In: an ordered Schedule. Out: LoweredKernels, and with the memory plan a Program. One file for each
family of ops, with the stems of `ops/`: how an element of a result is computed from elements of its
operands, and which loops a fold, contraction, scan or scatter needs.
Imported by compiler; imports schedule, ops, kernel, program and below.
"""
