"""The tensor graph: what the user wrote, with types and source lines.

In: nodes built by ops. Out: a Graph that can be printed, parsed, verified, interpreted in NumPy
and rebuilt. Five files as in every IR: nodes, printer, parser, verifier, interpreter; beside them
`op` (the record of an operation), `constant_value`, `describe` (one tensor as a line of text),
`sizes` (named sizes from arrays) and `rebuild` (replace tensors inside a graph).

Anyone above the type system may import it; it knows no particular operation but the leaves.
"""
