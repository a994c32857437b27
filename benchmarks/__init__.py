"""Our frame and our restore beside the raw tools, measured in one run on one machine and told as ratios."""
