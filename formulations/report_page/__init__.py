"""A results folder of any command as one page of HTML that needs nothing else: no network, no library, no other file."""

from formulations.report_page.folder import KINDS, ResultsFolder, read
from formulations.report_page.page import Page, page, write

__all__ = ["KINDS", "Page", "ResultsFolder", "page", "read", "write"]
