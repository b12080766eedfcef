"""Figures that the pipe is held to: `make bench`."""
