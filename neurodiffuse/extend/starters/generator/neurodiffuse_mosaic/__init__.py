"""The generator mosaic for neurodiffuse."""
