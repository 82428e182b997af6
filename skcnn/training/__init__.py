"""How a network is trained: the skorch net, its batches, losses, schedules and device."""
