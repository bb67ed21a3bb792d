"""Triton backend.

In: kernels in tiled form (graphdl.kernel.nodes) and, later, a Program to launch them from.
Out: Triton source, PTX and cubins with their launch metadata.
Only the compiler's target registry imports this folder; only `adapter.py` imports triton.
"""
