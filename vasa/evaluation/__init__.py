"""Metrics, protocols, the runner that turns trained runs into results, and the report."""
