"""Constant extents become sizes, so that equal nests of different sizes are one kernel."""
