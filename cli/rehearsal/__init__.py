"""A rehearsal from the command line: its students' way, who watches, and who tidies."""
