"""A verdict for whoever reads it: words, tables, a page, and formats for programs."""
