"""Reports: a finished run as terminal text, JSON, one HTML file, and Allure results. Each reads conformance.results."""
