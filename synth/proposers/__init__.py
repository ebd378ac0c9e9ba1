"""Proposers: who writes the next program."""
