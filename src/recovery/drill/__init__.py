"""Drills: which one is next, what came of the earlier ones, and which are due (RCV-5)."""
