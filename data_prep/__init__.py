"""Raw or rendered clips to face shards."""
