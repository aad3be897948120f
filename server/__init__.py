"""What runs inside a user's server. Stands alone: standard library, then JupyterHub's server."""
