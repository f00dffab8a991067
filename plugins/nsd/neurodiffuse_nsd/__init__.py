"""The Natural Scenes Dataset as a data set of neurodiffuse."""
