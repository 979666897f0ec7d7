"""Random programs of NumPy calls under every transform, against the plain loop: `python -m tests.fuzz`."""
