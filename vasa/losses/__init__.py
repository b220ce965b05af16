"""The training losses, one file each with its equation."""
