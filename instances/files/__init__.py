"""Folders of CSV and JSON, read and written."""
