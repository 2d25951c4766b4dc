"""Networks and layers (``torch.nn.Module``); the parts of the shelf import them when they build."""
