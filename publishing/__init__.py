"""Publishing datasets: everything that touches their files."""
