"""A results folder of any command as one page of HTML that needs nothing else: no network, no library, no other file."""

from studies.page.page import Page, page, write
from studies.page.parts.folder import KINDS, ResultsFolder, read

__all__ = ["KINDS", "Page", "ResultsFolder", "page", "read", "write"]
