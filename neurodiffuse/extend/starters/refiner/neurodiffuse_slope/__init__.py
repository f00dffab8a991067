"""The refiner slope, a plugin for neurodiffuse."""
