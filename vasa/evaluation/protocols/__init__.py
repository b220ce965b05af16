"""Protocols: each a pure function from nets and clips to measured rows."""
