"""The settings (flags, environment, .env) and the files of config/ as validated objects.

Imports the model and below. Start at configuration.py for config/*.yaml, settings.py for the environment.
"""
