"""A run as one self-contained HTML file, and as a document of plain data."""

from edgenas.report.page import write_report
from edgenas.report.summary import summarize

__all__ = ["summarize", "write_report"]
