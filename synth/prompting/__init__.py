"""From the archive to what a model is asked: contract, context, templates, token budget."""
