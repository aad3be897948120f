"use strict";
/* Stop and remove servers, and notice when one has started or stopped by itself. */
(() => {
  const page = document.getElementById("servers");
  const headers = { "X-XSRFToken": page.dataset.xsrf };
  const POLL = 2000;

  for (const button of page.querySelectorAll("button.stop, button.remove")) {
    button.addEventListener("click", () => end(button));
  }
  document.getElementById("another")?.addEventListener("submit", (event) => {
    event.preventDefault();
    const name = document.getElementById("another-name").value;
    location.assign(event.target.dataset.spawn + encodeURIComponent(name));
  });
  if (page.dataset.busy || page.querySelector(".state.busy")) {
    watch();
  }

  async function end(button) {
    const remove = button.classList.contains("remove");
    const words = button.textContent;
    button.disabled = true;
    button.textContent = button.dataset.busy;
    try {
      const answer = await fetch(button.closest(".server").dataset.api, {
        method: "DELETE",
        headers: { ...headers, "Content-Type": "application/json" },
        body: remove ? JSON.stringify({ remove: true }) : null,
      });
      if (!answer.ok) {
        throw new Error(String(answer.status));
      }
      watch();
    } catch {
      button.disabled = false;
      button.textContent = words;
      const problem = document.getElementById("problem");
      problem.textContent = page.dataset.failed;
      problem.hidden = false;
    }
  }

  /* Reload when nothing is on its way any more, or when that cannot be known. */
  async function watch() {
    let pending = true;
    try {
      const answer = await fetch(page.dataset.model, { headers });
      if (answer.ok) {
        const servers = Object.values((await answer.json()).servers);
        pending = servers.some((server) => server.pending);
      } else if (answer.status < 500) {
        pending = false;
      }
    } catch {
      /* the hub is away for a moment: go on asking */
    }
    if (pending) {
      setTimeout(watch, POLL);
    } else {
      location.replace(location.pathname);
    }
  }
})();
