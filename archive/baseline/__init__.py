"""The learned baseline: meta-gradients through the lives of agents."""
