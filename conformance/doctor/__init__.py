"""The doctor: what the harness needs of its settings, the server and the machine, step by step.

Imports everything below it. Start at doctor.py; server.py has the steps on a server.
"""
