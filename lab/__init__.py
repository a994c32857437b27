"""The hospital that boots on one machine."""
