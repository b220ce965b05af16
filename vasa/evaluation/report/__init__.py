"""The report: runs and results as one self-contained page and as Markdown."""
