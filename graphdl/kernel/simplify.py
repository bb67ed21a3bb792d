"""Simplification of a kernel: index arithmetic, masks and conditions that loop ranges decide."""
