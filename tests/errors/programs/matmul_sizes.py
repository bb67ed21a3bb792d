import graphdl as gd

image = gd.placeholder("image", ("batch", 784))
kernel = gd.variable([[0.0] * 10] * 512, name="kernel")
logits = image @ kernel  # wrong
