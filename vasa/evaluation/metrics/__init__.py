"""Mergeable metrics; the unit that is averaged and resampled is the clip."""
