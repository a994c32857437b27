"""The incident report: one self-contained HTML file and a PDF, computed from an incident directory and nothing else."""
