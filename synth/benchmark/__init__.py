"""Rules against one another: the same tasks, budgets, seeds and networks for all."""
