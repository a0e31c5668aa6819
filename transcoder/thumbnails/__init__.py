"""Thumbnails: a poster that shows something, and sheets of small pictures for a seek bar."""
