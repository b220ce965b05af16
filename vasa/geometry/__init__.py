"""Rotations, warps and their conventions."""
