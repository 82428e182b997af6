"""Training of one network by several processes of `torch.distributed`."""
