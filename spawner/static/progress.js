"use strict";
/* Follow a start: its steps as they come, and what is left of it when the hub was restarted. */
(() => {
  const page = document.getElementById("start");
  const words = page.dataset;
  const steps = [...page.querySelectorAll(".step")];
  const bar = page.querySelector("[role=progressbar]");
  const said = document.getElementById("said");
  const note = document.getElementById("note");
  const cancel = document.getElementById("cancel");
  const line = standInLine(page);
  const POLL = 2000;
  const KEEP = 30000;
  let source = null;
  let current = null;
  let began = null; /* when the current step began, by this page's clock, in ms */
  let cancelled = false;
  let keptUntil = null; /* how long to wait for a start that the restarted hub makes again, ms */

  /* JupyterHub leads here with the form's token in the address, where nobody needs it. */
  const address = new URL(location.href);
  address.searchParams.delete("_xsrf");
  history.replaceState(null, "", address);

  follow();
  setInterval(tick, 1000);
  cancel.addEventListener("click", stop);
  document.addEventListener("visibilitychange", name);

  function follow() {
    source = new EventSource(words.progress);
    source.onmessage = (event) => take(JSON.parse(event.data));
    source.onerror = () => {
      /* Connecting again is the browser's own doing. Closed is an answer: look what is left. */
      if (source.readyState === EventSource.CLOSED) {
        setTimeout(recover, POLL);
      } else {
        tell(words.waiting);
      }
    };
    source.onopen = () => tell("");
  }

  function take(event) {
    if (event.ready || event.failed) {
      source.close();
      if (!cancelled) {
        /* The page's address knows what comes now: the server, or why there is none. */
        setTimeout(() => location.reload(), event.failed ? 700 : 0);
      }
      return;
    }
    keptUntil = null;
    if (event.progress !== undefined) {
      bar.setAttribute("aria-valuenow", event.progress);
      bar.firstElementChild.style.width = `${event.progress}%`;
    }
    const index = steps.findIndex((step) => step.dataset.stage === event.stage);
    if (index >= 0) {
      tell(turn(event.turn));
      enter(index, event);
    } else if (event.message && event.progress > 0) {
      /* another spawner's words; at 0 it is JupyterHub that says what the page shows anyway */
      tell(event.message);
    }
    line.take(event);
    name();
  }

  function turn(place) {
    if (!place) {
      return "";
    }
    return (place.lacking ? words.lacking : words.many)
      .replace("{n}", place.position)
      .replace("{all}", place.of)
      .replace("{size}", `${Math.max(0.1, place.lacking / 2 ** 30).toFixed(1)} GiB`);
  }

  function name() {
    document.title = line.title() || `${bar.getAttribute("aria-valuenow")}% · ${words.title}`;
  }

  function enter(index, event) {
    const step = steps[index];
    if (step !== current) {
      current = step;
      began = Date.now();
      steps.forEach((other, at) => {
        other.classList.toggle("done", at < index);
        other.classList.toggle("current", at === index);
        other.toggleAttribute("aria-current", false);
        if (at > index) {
          other.querySelector(".time").textContent = "";
        }
      });
      step.setAttribute("aria-current", "step");
      said.textContent = words.step
        .replace("{n}", index + 1)
        .replace("{all}", steps.length)
        .replace("{step}", step.dataset.label);
      /* A page that was opened late gets all steps at once: only their times tell how long. */
      step.dataset.began = event.elapsed;
      const before = steps[index - 1];
      if (before && before.dataset.began !== undefined) {
        show(before, event.elapsed - before.dataset.began);
      }
    }
    if (event.elapsed !== undefined) {
      began = Date.now() - 1000 * (event.elapsed - step.dataset.began);
    }
    tick();
  }

  function tick() {
    line.tick();
    if (current) {
      show(current, (Date.now() - began) / 1000);
    }
  }

  function show(step, seconds) {
    const whole = Math.max(0, Math.round(seconds));
    step.querySelector(".time").textContent =
      whole < 120
        ? words.seconds.replace("{n}", whole)
        : words.wholeMinutes.replace("{n}", Math.floor(whole / 60));
  }

  function tell(text) {
    if (note.textContent !== text) {
      note.textContent = text;
    }
    note.hidden = !text;
  }

  async function recover() {
    if (cancelled) {
      return;
    }
    let answer;
    try {
      answer = await fetch(words.model, { headers: { "X-XSRFToken": words.xsrf } });
    } catch {
      answer = null;
    }
    if (!answer || answer.status >= 500) {
      tell(words.waiting);
      setTimeout(recover, POLL);
      return;
    }
    if (!answer.ok) {
      location.reload(); /* logged out meanwhile: the login page leads back here */
      return;
    }
    const server = (await answer.json()).servers?.[words.server];
    if (server?.ready) {
      location.reload();
    } else if (server?.pending) {
      tell("");
      follow();
    } else if (await isKept()) {
      tell(words.kept);
      setTimeout(recover, POLL);
    } else {
      location.replace(`${words.home}?start=gone`);
    }
  }

  /* A hub that was restarted starts again whoever waits for a GPU, after a few seconds. */
  async function isKept() {
    keptUntil ??= Date.now() + KEEP;
    if (Date.now() > keptUntil) {
      return false;
    }
    try {
      const answer = await fetch(words.queue, { headers: { "X-XSRFToken": words.xsrf } });
      return answer.status >= 500 || (answer.ok && (await answer.json()).waiting);
    } catch {
      return true; /* it went down again */
    }
  }

  async function stop() {
    cancelled = true;
    cancel.disabled = true;
    cancel.textContent = words.cancelling;
    let answer = null;
    try {
      answer = await fetch(words.stop, {
        method: "DELETE",
        headers: { "X-XSRFToken": words.xsrf },
      });
    } catch {
      /* told below */
    }
    if (answer?.ok) {
      source.close();
      location.replace(`${words.home}?start=${line.waits() ? "left" : "cancelled"}`);
      return;
    }
    cancelled = false;
    cancel.disabled = false;
    cancel.textContent = line.waits() ? line.leave : words.cancel;
    tell(words.notCancelled);
    if (source.readyState === EventSource.CLOSED) {
      recover();
    }
  }
})();
