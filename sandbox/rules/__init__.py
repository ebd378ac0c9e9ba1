"""Update rules: anything that turns trajectories into a loss."""
