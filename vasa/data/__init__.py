"""Shards, their decoding, and a deterministic order over them. Never imports models."""
