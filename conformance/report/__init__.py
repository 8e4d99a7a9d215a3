"""Reports of a run: text, JSON, HTML, Allure and JUnit, explanations of rules, and generated documents.

Imports run, rules and everything below; the only package of the library that may import Allure. Start at summary.py,
which prepares what every format shows; pictures/ draws the charts.
"""
