"""Backup, restore and proof of a database; standard library only, shipped to the hosts as module_utils."""
