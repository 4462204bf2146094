"""Published baselines, one file each."""
