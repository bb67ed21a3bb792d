"""Backends: what turns kernels and programs into code for one target.

In: a Program whose kernels are in tiled form. Out: something that runs, with its texts.
Imported by the compiler through its registry of targets; backends do not know one another.
"""
