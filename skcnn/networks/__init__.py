"""Networks: pure PyTorch modules, and the table of their names."""
