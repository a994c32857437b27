"""The picture archive of the lab: its host, and its client at the workstations."""
