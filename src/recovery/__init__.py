"""A hospital's written IT emergency plan as runbooks that run, rehearse themselves and can be audited."""
