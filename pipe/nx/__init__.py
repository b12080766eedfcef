"""The rooms that know Nx: what its runs leave on disk and print."""
