"""Nx Report: shows on a Bitbucket pull request what Nx ran."""

__version__ = "0.1.0"
