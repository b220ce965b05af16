"""The networks: pure torch, no configuration framework."""
