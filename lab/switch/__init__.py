"""The command line in front of each switch of the lab: one engine, a grammar for each platform, two back ends."""
