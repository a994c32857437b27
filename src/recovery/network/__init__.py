"""The network: what a switch is configured to do, what it does, and how its configuration moves to another switch."""
