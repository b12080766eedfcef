"""The proof of the protocol: its own code, run through every interleaving of its calls to a model of Bitbucket."""
