"""Remembers and compares: the store, parent selection, statistics, the baseline."""
