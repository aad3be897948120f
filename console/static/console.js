// What pages need beyond htmx.
"use strict";

// An answer that says why something was refused is shown, too.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.xhr.status >= 400 && event.detail.xhr.status !== 401) {
    event.detail.shouldSwap = true;
    event.detail.isError = false;
  }
});

// Escape leaves a cell as it was.
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    event.target.closest(".edited")?.querySelector("[data-cancel]").click();
  }
});

// What was changed is said once; cells that follow from it are fetched anew, but for what is
// being edited, or would lose the focus.
document.addEventListener("plan-changed", async (event) => {
  const said = document.createElement("p");
  said.className = "said";
  said.textContent = event.detail.said;
  document.getElementById("notes").replaceChildren(said);
  if (!event.detail.others) {
    return;
  }
  const answer = await fetch(location.href);
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const cell of document.querySelectorAll("td[id^='cell-']:not(.edited)")) {
    const now = fresh.getElementById(cell.id);
    if (now && now.outerHTML !== cell.outerHTML && !cell.contains(document.activeElement)) {
      cell.replaceWith(now);
      htmx.process(now);
    }
  }
});
