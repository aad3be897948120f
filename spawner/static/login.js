"use strict";
/* A login link carries its token behind the #, where no server sees it. Take it out of the
   address bar before anything else happens, then post it like a pasted one. */
(() => {
  const found = taken();

  document.addEventListener("DOMContentLoaded", () => {
    const page = document.getElementById("login");
    const form = document.getElementById("token-form");
    const field = document.getElementById("token");
    form.addEventListener("submit", busy);
    /* Who pastes the link over this page's own address gets no new page, only a new fragment. */
    addEventListener("hashchange", () => send(taken()));
    if (found && field) {
      send(found);
    } else if (page.dataset.goingOn) {
      location.replace(page.dataset.goingOn);
    } else {
      reveal();
    }

    function send(token) {
      if (token && field) {
        field.value = token;
        form.requestSubmit();
      }
    }

    /* Two presses would use a one-time link twice. */
    function busy() {
      const button = document.getElementById("submit");
      if (button) {
        button.textContent = button.dataset.busy;
        button.disabled = true;
      }
    }

    function reveal() {
      const button = document.getElementById("reveal");
      if (!button) {
        return;
      }
      button.hidden = false;
      button.addEventListener("click", () => {
        const shown = field.type === "text";
        field.type = shown ? "password" : "text";
        button.setAttribute("aria-pressed", String(!shown));
      });
    }
  });

  function taken() {
    const match = /[#&]token=([^&]+)/.exec(location.hash);
    if (location.hash) {
      history.replaceState(null, "", location.pathname + location.search);
    }
    return match ? decode(match[1]) : "";
  }

  function decode(text) {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  }
})();
