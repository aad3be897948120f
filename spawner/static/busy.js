"use strict";
/* A form that was sent says so, and is not sent twice. */
for (const button of document.querySelectorAll("button[type=submit][data-busy]")) {
  const words = button.textContent;
  button.form.addEventListener("submit", () => {
    button.textContent = button.dataset.busy;
    /* After the form was read: what a disabled button says is left out of it. */
    setTimeout(() => (button.disabled = true));
  });
  /* Back from the next page: ready again. */
  addEventListener("pageshow", () => {
    button.textContent = words;
    button.disabled = false;
  });
}
