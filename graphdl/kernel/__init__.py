"""The loop IR: one parallel nest as loops over buffers, in two checked forms.

In: kernels built by lowering (tiled form) and by the CPU recipes (vector form). Out: the same
kernels as text (`printer`, `parser`), checked (`verifier`), run in NumPy (`interpreter`), with
simpler indices (`simplify`), rewritten (`transforms/`), and with transcendental functions as
plain arithmetic (`math/`). May be imported by lowering, the backends and everything above them.
"""
