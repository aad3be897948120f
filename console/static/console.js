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

// A link is copied by a button beside it.
for (const row of document.querySelectorAll(".copied")) {
  const [field, button] = [row.querySelector("[data-copied]"), row.querySelector("button")];
  button.hidden = false;
  button.addEventListener("click", async () => {
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
    } catch {
      // On a page without TLS only this works.
      document.execCommand("copy");
    }
    button.textContent = button.dataset.done;
  });
}

// What is to be printed is, by a button.
for (const row of document.querySelectorAll("[data-print]")) {
  row.hidden = false;
  row.querySelector("button").addEventListener("click", () => window.print());
}

// A file fills the field beside it: spreadsheets write UTF-8, UTF-16, or what the system of the
// language always had.
for (const row of document.querySelectorAll("[data-file-for]")) {
  row.hidden = false;
  row.querySelector("input").addEventListener("change", async (event) => {
    const [file] = event.target.files;
    if (file) {
      document.getElementById(row.dataset.fileFor).value = decoded(await file.arrayBuffer());
    }
  });
}

function decoded(bytes) {
  const [first, second] = new Uint8Array(bytes);
  if (first === 0xff && second === 0xfe) {
    return new TextDecoder("utf-16le").decode(bytes);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    const chinese = document.documentElement.lang.startsWith("zh");
    return new TextDecoder(chinese ? "gb18030" : "windows-1252").decode(bytes);
  }
}
