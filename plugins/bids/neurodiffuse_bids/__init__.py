"""BIDS derivatives as a data set of neurodiffuse."""
