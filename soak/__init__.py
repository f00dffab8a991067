"""Kills and mutations: what a command leaves that was cut off, or was given nonsense.

Part of the project, not of the package: ``make soak`` and ``make fuzz``, and in short in the tests.
"""
