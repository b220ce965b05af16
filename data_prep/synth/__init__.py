"""Embedded synthetic talking heads: rendered faces that speak real synthesised speech, with ground truth."""
