"""Kills and mutations: does a command that was cut off, or given nonsense, leave what it should?

Part of the project, not of the package: ``make soak`` and ``make fuzz``, and in short in the tests.
"""
