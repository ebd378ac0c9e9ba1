"""Tuning a program's constants by meta-gradients: differentiable lives of agents under a program."""
