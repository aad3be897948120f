"use strict";
/* Make API tokens, and revoke them. */
(() => {
  const page = document.getElementById("tokens");
  const headers = { "X-XSRFToken": page.dataset.xsrf, "Content-Type": "application/json" };

  document.getElementById("new-token").addEventListener("submit", async (event) => {
    event.preventDefault();
    const life = document.getElementById("life").value;
    const body = {
      note: document.getElementById("note").value,
      expires_in: life ? Number(life) : null,
    };
    const answer = await ask("", { method: "POST", body: JSON.stringify(body) });
    if (answer) {
      document.getElementById("made-token").textContent = (await answer.json()).token;
      document.getElementById("made").hidden = false;
    }
  });

  for (const button of page.querySelectorAll("button.revoke")) {
    button.addEventListener("click", async () => {
      const item = button.closest("[data-token]");
      button.disabled = true;
      if (await ask(`/${encodeURIComponent(item.dataset.token)}`, { method: "DELETE" })) {
        item.remove();
      } else {
        button.disabled = false;
      }
    });
  }

  async function ask(path, options) {
    const problem = document.getElementById("problem");
    problem.hidden = true;
    try {
      const answer = await fetch(page.dataset.api + path, { ...options, headers });
      if (answer.ok) {
        return answer;
      }
    } catch {
      /* told below */
    }
    problem.textContent = page.dataset.failed;
    problem.hidden = false;
    return null;
  }
})();
