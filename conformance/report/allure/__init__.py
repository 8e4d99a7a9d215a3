"""Allure: labels and identities of results, the HTML report through Node.js, and what is done to its page.

Imports the report and below; the only package of the library that imports allure and pytest. Start at labels.py.
"""
