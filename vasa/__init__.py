"""vasa: an open research framework for VASA-1 (Xu et al., arXiv 2404.10667)."""

__version__ = "0.1.0"
