"""Tasks: batches of environments behind one seam."""
