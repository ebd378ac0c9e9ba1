"""Training: the loop, replay, diagnostics, checkpoints."""
