"""Tests of provisioning, by commands and by a mongosh script."""
