"""One call from task to sorted minima."""

from .result import SearchResult as SearchResult
