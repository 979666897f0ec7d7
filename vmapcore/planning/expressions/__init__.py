"""What is computed element by element and reduced, as statements along named axes: no device is known here."""
