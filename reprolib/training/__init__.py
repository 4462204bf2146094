"""Batches, losses, stopping and the two training loops: one for sequences, one for pairs."""
