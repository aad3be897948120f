"use strict";
/* Say on each card how many GPUs are free, for as long as somebody looks. */
(() => {
  const form = document.getElementById("spawn_form");
  const choices = form.querySelector(".choices");
  const cards = form.querySelectorAll(".choice:has(.now)");
  const EVERY = 5000;
  const SELDOM = 60000;
  let pause = EVERY;
  let timer = null;
  if (!cards.length) {
    return;
  }
  later();
  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    if (!document.hidden) {
      look();
    }
  });

  function later() {
    clearTimeout(timer);
    if (!document.hidden) {
      timer = setTimeout(look, pause);
    }
  }

  async function look() {
    let answer = null;
    try {
      answer = await fetch(form.dataset.gpus, { headers: { "X-XSRFToken": form.dataset.xsrf } });
      if (answer.ok) {
        const { profiles } = await answer.json();
        cards.forEach((card) => show(card, profiles[card.dataset.slug]));
      }
    } catch {
      answer = null; /* the hub is away for a moment */
    }
    if (answer && !answer.ok && answer.status < 500) {
      return; /* signed out: what is shown stays, and Start leads to the login page */
    }
    pause = answer?.ok ? EVERY : Math.min(2 * pause, SELDOM);
    later();
  }

  function show(card, gpus) {
    if (!gpus) {
      return;
    }
    const now = card.querySelector(".now");
    const waits = gpus.free < Number(card.dataset.needs) || gpus.wait > 0;
    const about = gpus.wait === null ? "" : roomAbout(gpus.wait, choices.dataset);
    now.classList.toggle("full", waits);
    write(now.querySelector(".free"), free(gpus, about));
    write(now.querySelector(".queue"), waits ? queue(gpus, about) : "");
    forbid(card, gpus.forbidden);
  }

  function free(gpus, about) {
    const words = choices.dataset;
    if (gpus.free) {
      return words.free.replace("{free}", gpus.free).replace("{total}", gpus.total);
    }
    return about ? words.takenUntil.replace("{about}", about) : words.taken;
  }

  function queue(gpus, about) {
    const words = choices.dataset;
    return gpus.free && about ? words.queueUntil.replace("{about}", about) : words.queue;
  }

  function forbid(card, reason) {
    if (card.dataset.never !== undefined) {
      return; /* what the room has too little of does not come back while somebody looks */
    }
    const input = card.querySelector("input[type=radio]");
    input.disabled = Boolean(reason);
    input.checked &&= !reason;
    card.classList.toggle("off", Boolean(reason));
    card.querySelector(".now").hidden = Boolean(reason);
    card.querySelector(".why").hidden = !reason;
    write(card.querySelector(".reason"), reason);
  }

  function write(element, text) {
    if (element.textContent.trim() !== text) {
      element.textContent = text;
    }
  }
})();
