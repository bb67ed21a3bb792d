"""Pictures of graphs and programs.

In: a Function, tensors, a Graph or a Schedule. Out: DOT, SVG, PNG and one self-contained HTML file.
`draw.py` is the public door; `picture.py` is what every picture is made of.
Imported by the public names alone.
"""
