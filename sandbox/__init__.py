"""Turns a program into trained agents and a score that can be trusted: language, graph, rules, tasks, training, isolation."""
