"""Pattern rewriting over the tensor graph.

In: a Graph and rules, each a pattern (written by calling ops on pattern variables) and a function
that builds the replacement. Out: the rewritten Graph and how often each rule was applied.
`pattern` matches, `driver` applies to a fixpoint, keeps lines and scopes, checks types.

Passes and autodiff import it; it knows no particular operation.
"""
