"""Tests of the users and roles that zava provision makes."""
