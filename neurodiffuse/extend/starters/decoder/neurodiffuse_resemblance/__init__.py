"""The decoder resemblance for neurodiffuse."""
