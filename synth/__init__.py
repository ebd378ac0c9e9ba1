"""Decides what to try next: proposers, prompts, the campaign loop and the command line."""
