"""Training of the networks (extra ``train``: torch, onnx). Nothing on the live path imports this package."""
