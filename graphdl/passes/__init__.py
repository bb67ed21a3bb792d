"""Graph passes: one file each, named by its verb; `pipeline` is their order.

In: a Graph. Out: a Graph that computes the same numbers (or, where a pass says so, better ones)
with less work. A pass never schedules, never chooses a kernel, never looks at a backend.

autodiff (stabilising only), the compiler and the command line import it.
"""
