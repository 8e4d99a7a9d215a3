"""conformance/report/allure."""
