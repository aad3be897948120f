# Terminals: what a student installs comes first, the server's own commands (nbconvert) last.
PATH="$HOME/.local/bin:$PATH:/opt/jupyter/bin"
# The server's configuration is the server's.
unset JUPYTER_CONFIG_DIR
