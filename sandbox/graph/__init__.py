"""Graphs: the allow-list of operations, verification, execution, the canonical form."""
