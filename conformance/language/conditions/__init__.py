"""Conditions of permissions and subscriptions: read from DQL, translated to MongoDB's filters and to DQL.

May import `conformance.language.dql`, `conformance.model` and below. Start reading at `condition.py`.
"""
