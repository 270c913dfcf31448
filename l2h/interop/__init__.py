"""Bridges to other packages, which are imported only when one is crossed."""
