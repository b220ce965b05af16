"""Methods that are compared: ours, constructed ones, and folders of videos made elsewhere."""
