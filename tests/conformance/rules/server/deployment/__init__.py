"""Tests of the families that compare a deployed database with the model: indexes, validators and streams."""
