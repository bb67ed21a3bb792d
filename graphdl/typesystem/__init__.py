"""Static types: dtypes, sizes, shapes and the integer expressions in them.

In: what users write ("float32", ("batch", 64)). Out: DType, Size, TensorType, IndexMap and the
rules for promotion and broadcasting. One algebra serves sizes and loop indices: `expression` is its
normal form, `ranges` proves and bounds, `simplify` decides divisions. `arithmetic` says what each
scalar operation means. Imports only errors, config and source_location; anybody may import it.
"""
