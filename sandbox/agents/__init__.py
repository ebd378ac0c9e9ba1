"""Agents: torsos, heads and acting."""
