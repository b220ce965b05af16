"""Frozen expert networks behind one interface: file, checksum, licence, input contract."""
