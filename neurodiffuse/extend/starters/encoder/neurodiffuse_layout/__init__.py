"""The encoder layout for neurodiffuse."""
