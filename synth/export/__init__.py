"""A program as one file of plain PyTorch and Gymnasium that trains by itself and imports nothing of ours."""
