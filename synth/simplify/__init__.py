"""Simplifying a program: what it can do without, by proof where there is one and by paired trainings where there is none."""
