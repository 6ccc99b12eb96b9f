"""ONNX operators implemented in torch, with gradients. Each file of this package has one group of operators, and
`table.py` lists the operators of all files.

Code for graphs and files is in `onnx_module` and `onnx_nodes`. Source: the ONNX operator schemas. The tests compare
each operator with ONNX Runtime.
"""
