"""CPU code through LLVM.

In: a Program whose kernels are in tiled form. Out: a NativeProgram (compile.py) and its callables.
The way through: recipes (tiled to vector form: contraction, rows, columns, elementwise, serial)
→ generate (vector form to LLVM text) → driver (the program around the kernels) → load (object
code, addresses) → entry (what Python calls), with pool (threads) beside it. Only load.py imports
llvmlite. May be imported by targets.py, which loads it when it is needed, and by export.py.
"""
