"""The prompts, as templates that a person can read and edit: `system.md.j2`, and one file an operator."""
