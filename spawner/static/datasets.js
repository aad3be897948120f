"use strict";
/* Search among the datasets, and say how many are ticked. Without this it is a plain list. */
(() => {
  const list = document.querySelector(".datasets");
  if (!list) {
    return;
  }
  const words = list.dataset;
  const tools = list.querySelector(".tools");
  const search = tools.querySelector("input");
  const shown = tools.querySelector("[role=status]");
  const none = tools.querySelector("button");
  const counted = list.querySelector(".counted");
  const all = counted.textContent;
  const rows = [...list.querySelectorAll(".dataset")].map((row) => ({
    row,
    box: row.querySelector("input"),
    text: row.querySelector("label").textContent.concat(row.querySelector(".about").textContent).toLowerCase(),
  }));

  tools.hidden = false;
  search.addEventListener("input", find);
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      event.preventDefault(); /* it would start the server */
    }
  });
  none.addEventListener("click", () => {
    rows.forEach(({ box }) => (box.checked = false));
    count();
    search.focus(); /* the button is off now */
  });
  list.addEventListener("change", ({ target }) => {
    if (target.matches("select")) {
      target.closest(".dataset").querySelector("input").checked = true;
    }
    count();
  });
  window.addEventListener("pageshow", () => {
    find(); /* a browser that goes back puts in what was there */
    count();
  });

  function find() {
    const sought = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const { row, text } of rows) {
      row.hidden = !sought.every((word) => text.includes(word));
      found += !row.hidden;
    }
    shown.textContent = words.shown.replace("{n}", found).replace("{total}", rows.length);
  }

  function count() {
    const chosen = rows.filter(({ box }) => box.checked).length;
    counted.textContent = chosen ? words.chosen.replace("{n}", chosen) : all;
    none.disabled = !chosen;
  }
})();
