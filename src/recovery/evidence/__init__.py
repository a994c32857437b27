"""The journal, the incident directory and the proof that neither was touched."""
