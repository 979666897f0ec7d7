"""Random numbers inside transforms: what generators are there, and who draws in which order."""
