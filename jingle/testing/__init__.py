"""Fakes and conformance checks for people who write their own transport or application."""
