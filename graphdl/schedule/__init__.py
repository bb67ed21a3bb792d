"""Which nodes share a kernel, in what order kernels run, and where their results live.

In: an optimised Graph. Out: a Schedule (groups, refusals), an order that keeps every variable's old
value until its last reader is done, and a memory plan (one arena, sizes as expressions).
Imported by lowering, compiler and what explains them; imports ops, graph, program and below.
"""
