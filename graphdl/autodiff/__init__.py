"""Differentiation and batching: adds derivative nodes to the tensor graph, or a batch axis.

In: tensors built by `ops/`. Out: tensors that compute derivatives, differentiable again. The ways
in: `reverse.py` (grad, vjp), `forward.py` (jvp), `jacobian.py`, `vmap.py`, `trace.py` (remat,
custom_gradient), `policies.py`. `sweep.py` goes backwards over the graph, `push.py` forwards,
`batch.py` adds the axis; `rules.py` has the registries; each other file holds the reverse, forward
and batching rules of the op family of the same name.
Imported by `optim/`, `nn/` and the public names; imports `ops/`, `passes/` and lower floors.
"""
