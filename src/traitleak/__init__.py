"""Subliminal learning as software."""
