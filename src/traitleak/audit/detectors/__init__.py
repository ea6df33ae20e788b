"""What an audit asks of rows: the panel of traits, and the detectors that read the rows for them."""
