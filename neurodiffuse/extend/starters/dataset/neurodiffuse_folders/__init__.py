"""The data set folders for neurodiffuse."""
