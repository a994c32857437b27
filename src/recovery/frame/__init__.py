"""Runs, verdicts, locks, approvals and the steps of people."""
