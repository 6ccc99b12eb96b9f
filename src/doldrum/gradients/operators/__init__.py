"""What ONNX operators do, in torch, with gradients: a family a file, all of them in `table.py`.

No graph and no file (`onnx_module`, `onnx_nodes`). Source: the ONNX operator schemas; the tests hold each against ONNX Runtime.
"""
