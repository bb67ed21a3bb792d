"""The program IR: launches, copies, checks and prints over views of fixed places.

In: what the schedule and lowering decided. Out: what backends compile and `explain()` shows.
Five files as in every IR: nodes, printer, parser, verifier, interpreter.
Imported by schedule, lowering, backends and above; imports kernel, graph sizes and below.
"""
