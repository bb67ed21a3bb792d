"""Neighbouring loops that only ever index memory together become one loop."""
