"""Why subliminal learning happens: the theorem of Cloud et al. (2025), checked with numbers."""
