"""Tuning a program's constants: by meta-gradients where they carry a signal, by CMA-ES elsewhere, judged on seeds that tuning never saw."""
