"""Transcendental functions as plain arithmetic: own polynomials, no library, no branches.

In: an Emitter and an operand, a float32 or float64 Value. Out: a Value of adds, multiplies, Fma,
selects and bit operations, with the Lets it needs collected in the Emitter; the same for every
vector width, and run in NumPy by the same interpreter. One file per family. `tools/ulp.py` prints
what each function errs by, `tools/fit_polynomials.py` derives the coefficients. Used by
`kernel.transforms.expand_math` only.
"""
