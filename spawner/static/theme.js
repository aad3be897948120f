"use strict";
/* JupyterHub's own pages are dark by an attribute; ours follow the system by themselves. */
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const follow = () =>
    document.documentElement.setAttribute("data-bs-theme", dark.matches ? "dark" : "light");
  follow();
  dark.addEventListener("change", follow);
})();
