"""The metric closeness for neurodiffuse."""
