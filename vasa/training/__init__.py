"""LightningModules and the one runner: batch -> model -> losses -> log. No formula lives here."""
