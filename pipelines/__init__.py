"""Runnable compositions of l2h, each short enough to read in one screen."""
