"""Speed side by side with alternatives, in one process; ratios, not seconds, count."""
