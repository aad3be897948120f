# The settings of every user's server. Root's: nothing in a home overrides them.
import os

c = get_config()  # noqa: F821

home = os.environ.get("HOME") or "/home/jovyan"
c.ServerApp.root_dir = os.environ.get("JUPYTERHUB_ROOT_DIR") or home
c.ServerApp.default_url = os.environ.get("JUPYTERHUB_DEFAULT_URL") or "/lab"
# A trash folder would count against the home's space and show nowhere.
c.FileContentsManager.delete_to_trash = False
# Who was revoked keeps an open page no longer than the server trusts what the hub said of them.
c.HubOAuth.cache_max_age = 30

# Extensions of JupyterLab's are the image's: one in a home could keep the page from loading.
c.LabApp.labextensions_path = ["/opt/jupyter/share/jupyter/labextensions"]
c.LabApp.extension_manager = "readonly"
# Nothing that asks the Internet while a student waits.
c.LabApp.news_url = None
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.LanguageServerManager.autodetect = False

# Kernels run in the students' environment; the server's own is nobody's kernel.
c.KernelSpecManager.ensure_native_kernel = False
c.MultiKernelManager.default_kernel_name = "python3"
# The first kernel has been started already, and is reached without waiting: server/spare.py,
# server/kernels.py.
c.KernelProvisionerFactory.default_provisioner_name = "torchroom"
c.ServerApp.kernel_manager_class = "server.kernels.Kernels"
c.ServerApp.kernel_websocket_connection_class = "server.kernels.Connection"
