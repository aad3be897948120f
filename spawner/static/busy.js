"use strict";
/* A form that was sent says so, and is not sent twice. */
(() => {
  const form = document.getElementById("spawn_form");
  const button = form.querySelector("button[type=submit]");
  const words = button.textContent;
  form.addEventListener("submit", () => {
    button.textContent = button.dataset.busy;
    button.disabled = true;
  });
  /* Back from the next page: ready again. */
  addEventListener("pageshow", () => {
    button.textContent = words;
    button.disabled = false;
  });
})();
