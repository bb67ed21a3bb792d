import graphdl as gd

count = gd.variable(0.0, name="count")
first = {count: count + 1}
second = {count: count + 2}
step = gd.function([], count, updates=[first, second])  # wrong
