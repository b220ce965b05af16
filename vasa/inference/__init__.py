"""From an image and speech to a talking face; never imports training."""
