"""What can be computed: Op records, and the public functions that promote, broadcast and build.

In: tensors, data, sizes. Out: nodes of the graph. `<family>.py` holds raw primitives under jax.lax
names (type rule, traits, NumPy meaning), `functions/<family>.py` the functions under array-API
names, `composite.py` activations, `state.py` variables, `operators.py` what `+`, `[]` and methods
mean, `table.py` every primitive by name. Derivatives are in autodiff/, loops in lowering/, under
the same stems. May be imported by floors 4 and up; imports graph, runtime and the typesystem.
"""
