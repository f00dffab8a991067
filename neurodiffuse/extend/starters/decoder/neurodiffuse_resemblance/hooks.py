"""What this distribution plugs into neurodiffuse; it imports nothing heavy."""
