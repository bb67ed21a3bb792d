"""Names of a kernel in order of first use, so that equal nests have equal text."""
