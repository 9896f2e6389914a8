"""The resources of Slipstream and what they compile to; pure data and functions, imports nothing of the other packages."""
