"""Embedded synthetic talking heads: rendered faces, real synthesised speech, ground truth."""
