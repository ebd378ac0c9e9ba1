"""The learned meta-network (DiscoRL, Oh et al., Nature 2025): an update rule that is itself a neural network."""
