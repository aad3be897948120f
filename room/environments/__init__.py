"""Environments of classes: Python packages on top of the room's image, for who is in the class."""
