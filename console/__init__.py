"""Pages and a JSON interface for students, instructors and admins, beside the hub."""
