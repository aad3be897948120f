// The status bar's item, the bar at the top, and the questions to the server.

import { Bar, Item } from "./widgets.js";
import { leaseOf, pause, question, restart, toShow, view, warning } from "./rules.js";
import { pick } from "./words.js";

const REMEMBERED = 100;
// What somebody does who sits before the page, though the notebook hears nothing of it.
const SIGNS = ["pointermove", "pointerdown", "keydown", "wheel"];

export function start({ app, lab, statusBar, translator, here }) {
  const words = pick(translator?.languageCode, navigator.language);
  const style = document.createElement("link");
  style.rel = "stylesheet";
  style.href = new URL("style.css", here).href;
  document.head.append(style);
  new Banner(app, lab, statusBar, words).run();
}

class Banner {
  constructor(app, lab, statusBar, words) {
    this.app = app;
    this.lab = lab;
    this.words = words;
    this.settings = app.serviceManager.serverSettings;
    this.lease = null;
    this.notices = new Map(); // id → its text and its notification
    this.opened = false;
    this.hidden = ""; // the stage whose bar was hidden
    this.warned = ""; // what the last warning was of
    this.toast = ""; // and its notification, which goes when it is true no more
    this.here = false; // whether somebody used the page since the room was asked last
    this.asking = null;
    this.leaving = false; // whether the server is being stopped, to start again at once
    this.next = 0; // when the page, while it is seen, asks again
    this.put = new Hidden(this.settings.baseUrl);
    const prefix = lab.PageConfig.getOption("hubPrefix");
    const startPage = prefix && `${lab.PageConfig.getOption("hubHost")}${prefix}home`;
    this.bar = new Bar(app, lab.Widget, words, startPage, {
      longer: () => this.extend(),
      stay: () => this.say("/stay"),
      keep: () => this.say("/keep"),
      giveBack: () => this.giveBack(),
      hide: () => this.hide(),
    });
    this.item = new Item(statusBar, lab.Widget, words, () => this.toggle());
  }

  run() {
    for (const sign of SIGNS) {
      document.addEventListener(sign, () => (this.here = true), { capture: true, passive: true });
    }
    setInterval(() => this.tick(), 1000);
    document.addEventListener("visibilitychange", () => document.hidden || this.ask(true));
    this.ask();
  }

  async request(more, init = {}) {
    const url = this.lab.URLExt.join(this.settings.baseUrl, "room/lease") + more;
    const headers = { "Accept-Language": this.words.lang };
    const options = { cache: "no-store", headers, ...init };
    const answer = await this.lab.ServerConnection.makeRequest(url, options, this.settings);
    return [answer.status, await answer.json()];
  }

  // A server that does not answer, as while it stops, leaves what is known as it is.
  ask(fresh = false) {
    this.next = Date.now() + pause();
    if (this.asking || this.leaving) return this.asking;
    const here = this.here;
    this.here = false;
    this.asking = this.request(question({ fresh, here }))
      .then(([status, told]) => status === 200 && this.take(told))
      .catch(() => (this.here ||= here))
      .finally(() => {
        this.asking = null;
      });
    return this.asking;
  }

  take(told) {
    if (this.leaving) return;
    const now = Date.now();
    this.next = now + pause(told);
    const next = leaseOf(told, now);
    // Once the end was seen its message stays, also when the hub has let go of the lease.
    const ended = this.lease && view(this.lease, now, this.words).stage === "ended";
    if (next?.shown.getTime() !== this.lease?.shown.getTime() && (next || !ended)) {
      this.hidden = "";
      this.dismiss();
    }
    if (next || !ended) this.lease = next;
    this.note(toShow(told.notices, this.put.ids()));
    this.show();
  }

  // What the room says no more, or somebody hid on another page, goes from this one.
  note(notices) {
    const ids = notices.map(({ id }) => id);
    for (const id of this.notices.keys()) if (!ids.includes(id)) this.drop(id);
    for (const { id, text, level, action } of notices) {
      const kind = level === "info" ? "info" : "warning";
      const autoClose = kind === "info" && !action && 20_000;
      const actions = this.answers(action);
      const toast =
        this.notices.get(id)?.toast ?? this.lab.Notification[kind](text, { autoClose, actions });
      this.notices.set(id, { text, toast, action });
    }
  }

  drop(id) {
    this.lab.Notification.dismiss(this.notices.get(id).toast);
    this.notices.delete(id);
  }

  async tick() {
    this.show();
    if (!document.hidden && Date.now() >= this.next) void this.ask();
    const due = this.lease && warning(this.lease, Date.now());
    if (!due || due === this.warned || this.checking) return;
    // Another page may have got more time meanwhile: ask before anybody is alarmed.
    this.checking = true;
    await this.ask(true);
    this.checking = false;
    const key = this.lease && warning(this.lease, Date.now());
    if (!key || key === this.warned) return;
    this.warned = key;
    const shown = view(this.lease, Date.now(), this.words);
    const actions = shown.longer
      ? [{ label: shown.longer, displayType: "accent", callback: () => void this.extend() }]
      : [];
    const autoClose = shown.stage === "five" ? false : 20_000;
    this.dismiss();
    this.toast = this.lab.Notification.warning(shown.sentence, { autoClose, actions });
  }

  dismiss() {
    if (this.toast) this.lab.Notification.dismiss(this.toast);
    this.toast = "";
  }

  async extend() {
    this.bar.busy(true);
    try {
      const [status, told] = await this.request("/extend", { method: "POST" });
      if (status === 200) {
        this.take(told);
        this.opened = false;
        const time = this.lease && view(this.lease, Date.now(), this.words).time;
        if (time) this.lab.Notification.success(this.words.extended(time), { autoClose: 10_000 });
      } else {
        this.refused((status === 409 && told.message) || this.words.notNow);
      }
    } catch {
      this.refused(this.words.notNow);
    } finally {
      this.bar.busy(false);
      this.show();
    }
  }

  answers(action) {
    const answer = (name, callback, displayType) => {
      return { label: this.words[name], displayType, callback: () => void callback() };
    };
    if (action === "stay") return [answer("stay", () => this.say("/stay"), "accent")];
    if (action !== "cpu") return [];
    return [
      answer("giveBack", () => this.giveBack(), "accent"),
      answer("keep", () => this.say("/keep")),
    ];
  }

  // What is written is saved first; what cannot be saved asks before the page is left.
  async giveBack() {
    if (this.leaving) return;
    this.bar.busy(true);
    try {
      const save = "docmanager:save-all";
      if (this.app.commands.isEnabled(save)) await this.app.commands.execute(save);
      const [status, told] = await this.request("/cpu", { method: "POST" });
      if (status === 200) {
        this.leaving = true;
        const host = this.lab.PageConfig.getOption("hubHost");
        for (const id of [...this.notices.keys()]) this.drop(id);
        const text = this.words.restarting;
        const toast = this.lab.Notification.info(text, { autoClose: false });
        this.notices.set("restart", { text, toast, action: "" });
        location.assign(restart(told.page, host, location.pathname));
      } else {
        this.refused((status === 409 && told.message) || this.words.notNow);
      }
    } catch {
      this.refused(this.words.notNow);
    } finally {
      this.bar.busy(false);
      this.show();
    }
  }

  async say(what) {
    this.bar.busy(true);
    try {
      const [status, told] = await this.request(what, { method: "POST" });
      if (status === 200) this.take(told);
      else this.refused(this.words.notNow);
    } catch {
      this.refused(this.words.notNow);
    } finally {
      this.bar.busy(false);
      this.show();
    }
  }

  refused(message) {
    this.lab.Notification.warning(message, { autoClose: false });
    void this.ask(true);
  }

  toggle() {
    const open = !this.bar.isOpen;
    this.hide();
    this.opened = open;
    this.show();
  }

  hide() {
    this.opened = false;
    for (const id of [...this.notices.keys()]) {
      this.put.add(id);
      this.drop(id);
    }
    this.hidden = this.lease ? view(this.lease, Date.now(), this.words).stage : "";
    this.show();
  }

  show() {
    const shown = this.lease && view(this.lease, Date.now(), this.words);
    const near = shown && shown.stage !== "calm" && shown.stage !== this.hidden;
    const open = Boolean(near || (shown && this.opened) || this.notices.size);
    this.bar.show(open, shown, [...this.notices.values()]);
    this.item.show(shown, open);
  }
}

// What was hidden once is not shown again, on no page of this browser.
class Hidden {
  constructor(server) {
    this.key = `torchroom-notices:${server}`;
    this.now = [];
  }

  ids() {
    try {
      return [...this.now, ...JSON.parse(localStorage.getItem(this.key) ?? "[]")];
    } catch {
      return this.now;
    }
  }

  add(id) {
    const known = [id, ...this.ids()].slice(0, REMEMBERED);
    this.now = known;
    try {
      localStorage.setItem(this.key, JSON.stringify(known));
    } catch {
      // A browser that keeps nothing: once a page, then.
    }
  }
}
