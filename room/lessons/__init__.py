"""Lessons: a link that starts what a lesson needs, brings its files, and opens its page."""
