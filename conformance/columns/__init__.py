"""Documents as columns: raw BSON is read with NumPy, and queries are answered for many documents at once."""
