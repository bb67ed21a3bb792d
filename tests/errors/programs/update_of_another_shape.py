import graphdl as gd

weight = gd.variable([1.0, 2.0], name="weight")
x = gd.placeholder("x", (3,))
step = gd.function([x], updates={weight: x})  # wrong
