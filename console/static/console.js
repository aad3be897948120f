// What pages need beyond htmx.
"use strict";

// An answer that says why something was refused is shown, too: of a whole page the words alone, so
// that what was typed stays.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr } = event.detail;
  if (xhr.status < 400 || xhr.status === 401) {
    return;
  }
  const answer = new DOMParser().parseFromString(xhr.responseText, "text/html");
  const words = answer.querySelector("main [role='alert']");
  const notes = document.getElementById("notes");
  event.detail.isError = false;
  event.detail.shouldSwap = !(words && notes);
  if (words && notes) {
    words.className = "failed";
    notes.replaceChildren(words);
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
