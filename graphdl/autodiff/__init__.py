"""Reverse-mode differentiation: adds gradient nodes to the tensor graph.

In: tensors built by `ops/`. Out: tensors that compute cotangents, differentiable again.
`reverse.py` is the way in (grad, vjp), `sweep.py` the reverse sweep, `rules.py` the registry; each
other file holds the derivative rules of the op family of the same name.
Imported by `optim/`, `nn/` and the public names; imports `ops/`, `passes/` and lower floors.
"""
