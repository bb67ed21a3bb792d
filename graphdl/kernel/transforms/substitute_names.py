"""Renaming and rewriting of everything that a kernel mentions."""
