"""The report of an incident, as HTML and PDF, in Chinese and English."""
