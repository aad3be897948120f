"use strict";
/* The place in the queue while a start waits for a GPU, and the turn when it comes. */
const standInLine = (page) => {
  const panel = document.getElementById("line");
  const words = panel.dataset;
  const part = (name) => document.getElementById(name);
  const [cancel, toCPU, tellMe, told] = ["cancel", "to-cpu", "tell-me", "told"].map(part);
  const bases = JSON.parse(words.bases);
  const nth = JSON.parse(words.nth);
  const ordinals = new Intl.PluralRules(words.language, { type: "ordinal" });
  let waiting = null;
  let diverted = false; /* it was this page that asked for the CPU: no turn has come */
  let turned = false; /* the turn came while nobody looked */

  toCPU.addEventListener("click", divert);
  tellMe.addEventListener("click", askOnce);
  document.addEventListener("visibilitychange", () => {
    turned &&= document.hidden;
  });

  return { take, tick, title, waits: () => waiting !== null, leave: words.leave };

  /* Take any event of the start: with a place in the queue, or from after it. */
  function take(event) {
    const before = waiting;
    waiting = event.waiting ?? null;
    if (waiting && !before) {
      enter();
    } else if (!waiting && before) {
      goOn();
    }
    if (waiting) {
      show();
      if (before?.position !== waiting.position) {
        part("said").textContent = `${place()}. ${estimate()}`;
      }
    }
  }

  function enter() {
    panel.hidden = false;
    page.classList.add("waiting");
    write(cancel, cancel.disabled ? cancel.textContent : words.leave);
    diverted = false;
    offer();
  }

  function goOn() {
    const focused = [panel, toCPU, tellMe].some((one) => one.contains(document.activeElement));
    panel.hidden = true;
    toCPU.hidden = true;
    tellMe.hidden = true;
    page.classList.remove("waiting");
    write(cancel, cancel.disabled ? cancel.textContent : page.dataset.cancel);
    if (focused) {
      page.querySelector("h1").focus();
    }
    if (document.hidden && !diverted) {
      turned = true;
      notify();
    }
  }

  function show() {
    write(part("place"), place());
    write(part("estimate"), estimate());
    write(part("basis"), basis());
    const counts = [words.waiting.replace("{n}", waiting.of)];
    if (waiting.holding !== undefined) {
      counts.push(words.holding.replace("{n}", waiting.holding));
    }
    write(part("counts"), counts.join(" · "));
    if (!waiting.cpu && document.activeElement === toCPU) {
      cancel.focus();
    }
    toCPU.hidden = !waiting.cpu;
  }

  function place() {
    if (waiting.position === 1) {
      return words.first;
    }
    const ordinal = nth[ordinals.select(waiting.position)] ?? nth.other;
    return words.place
      .replace("{nth}", ordinal.replace("{n}", waiting.position))
      .replace("{all}", waiting.of);
  }

  function estimate() {
    if (!waiting.at) {
      return words.unknown;
    }
    const left = (Date.parse(waiting.at) - Date.now()) / 1000;
    return left <= 0
      ? words.soon
      : words.estimate.replace("{about}", roomAbout(left, words)).replace("{time}", clock(waiting.at));
  }

  /* The time in this browser's zone, with the day when it is another one. */
  function clock(when) {
    const at = new Date(when);
    const form = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
    if (at.toDateString() !== new Date().toDateString()) {
      form.weekday = "short";
    }
    return at.toLocaleTimeString(words.language, form);
  }

  /* Why the estimate is what it is: the room says it in English, and in its own time zone.
     The time in it is the full minute after the estimate's. */
  function basis() {
    const sentences = (waiting.basis ?? "").split(/(?<=[.!?])\s+(?=\S)/).map(translate);
    const text = sentences.join(words.language.startsWith("zh") ? "" : " ");
    const minute = (Math.floor(Date.parse(waiting.at) / 60000) + 1) * 60000;
    return waiting.at ? text.replace(/(\d{4}-\d\d-\d\d )?\d\d:\d\d/, clock(minute)) : text;
  }

  function translate(sentence) {
    for (const [english, translated] of bases) {
      const names = [...english.matchAll(/%\((\w+)\)s/g)].map((match) => match[1]);
      const pieces = english.split(/%\(\w+\)s/).map((piece) => piece.replace(/\W/g, "\\$&"));
      const found = new RegExp(`^${pieces.join("(.+)")}$`).exec(sentence);
      if (found) {
        return names.reduce(
          (text, name, at) => text.replace(`%(${name})s`, found[at + 1]),
          translated,
        );
      }
    }
    return sentence;
  }

  function tick() {
    if (waiting) {
      write(part("estimate"), estimate());
    }
  }

  function title() {
    if (turned) {
      return `✓ ${words.turn}`;
    }
    return (
      waiting &&
      words.title.replace("{position}", waiting.position).replace("{all}", waiting.of)
    );
  }

  async function divert() {
    if (toCPU.ariaDisabled === "true") {
      return;
    }
    toCPU.ariaDisabled = "true"; /* one that is disabled loses the focus */
    part("line-problem").hidden = true;
    diverted = true;
    let answer = null;
    try {
      answer = await fetch(words.cpu, {
        method: "POST",
        headers: { "X-XSRFToken": page.dataset.xsrf, "Content-Type": "application/json" },
        body: "{}",
      });
    } catch {
      /* told below */
    }
    toCPU.ariaDisabled = null;
    if (!answer?.ok) {
      diverted = false;
      write(
        part("line-problem"),
        answer?.status === 409 ? (await answer.json()).message : words.noCpu,
      );
      part("line-problem").hidden = false;
    }
  }

  /* A notification is offered where the browser has them and has not said no. */
  function offer() {
    const state = "Notification" in window ? Notification.permission : "denied";
    tellMe.hidden = state !== "default";
    told.hidden = state !== "granted";
    write(told, words.told);
  }

  async function askOnce() {
    const state = await Notification.requestPermission();
    write(told, state === "granted" ? words.told : words.notTold);
    told.hidden = false;
    tellMe.hidden = true;
    told.focus();
  }

  function notify() {
    if ("Notification" in window && Notification.permission === "granted") {
      const note = new Notification(words.turn, {
        body: words.turnMore,
        icon: words.icon,
        tag: "torchroom-turn",
      });
      note.onclick = () => {
        window.focus();
        note.close();
      };
    }
  }

  function write(element, text) {
    if (element.textContent !== text) {
      element.textContent = text;
    }
  }
};
