"""Issue: interrupted, and still right. A recovery is killed at every point that a recorded run's journal shows, and run again."""
