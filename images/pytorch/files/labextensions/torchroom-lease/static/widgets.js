// What is on the screen. Sentences that matter once are in live regions; the countdown, which
// changes all the time, is not, so that no screen reader reads it out each minute.

function element(tag, className, attributes = {}) {
  const made = document.createElement(tag);
  made.className = className;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

// A text that is written again is announced again.
function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
  node.hidden = !text;
}

export class Item {
  constructor(statusBar, Widget, words, toggle) {
    this.button = element("button", "room-lease-item", {
      type: "button",
      lang: words.lang,
      title: words.details,
      "aria-controls": "room-lease-bar",
    });
    this.button.addEventListener("click", toggle);
    const node = element("div", "room-lease-status");
    node.append(this.button);
    this.widget = new Widget({ node });
    this.widget.hide();
    statusBar?.registerStatusItem("torchroom-lease:item", {
      item: this.widget,
      align: "middle",
      priority: 1,
      isActive: () => true,
    });
  }

  show(shown, open) {
    this.widget.setHidden(!shown);
    if (!shown) return;
    write(this.button, shown.item);
    this.button.setAttribute("aria-expanded", String(open));
    this.button.dataset.stage = shown.stage;
  }
}

export class Bar {
  constructor(app, Widget, words, startPage, actions) {
    this.app = app;
    this.open = false;
    const node = element("section", "room-lease-bar", {
      lang: words.lang,
      "aria-label": words.region,
    });
    this.inner = element("div", "room-lease-inner");
    this.said = element("div", "room-lease-said");
    this.sentence = element("strong", "room-lease-sentence", { role: "status" });
    this.left = element("span", "room-lease-left");
    this.models = element("span", "room-lease-models");
    this.note = element("span", "room-lease-note");
    this.why = element("span", "room-lease-why");
    this.notices = element("span", "room-lease-notices", { role: "status" });
    this.said.append(this.notices, this.sentence, this.left, this.models, this.note, this.why);
    this.longer = element("button", "room-lease-longer jp-mod-styled jp-mod-accept", {
      type: "button",
    });
    this.longer.addEventListener("click", actions.longer);
    this.answers = [
      ["stay", "stay", "jp-mod-accept"],
      ["giveBack", "cpu", "jp-mod-accept"],
      ["keep", "cpu", ""],
    ].map(([name, action, style]) => {
      const button = element("button", `room-lease-answer jp-mod-styled ${style}`, {
        type: "button",
      });
      button.textContent = words[name];
      button.hidden = true;
      button.dataset.action = action;
      button.addEventListener("click", actions[name]);
      return button;
    });
    this.again = element("a", "room-lease-again", startPage ? { href: startPage } : {});
    this.again.textContent = words.again;
    this.startPage = startPage;
    const hide = element("button", "room-lease-hide jp-mod-styled", { type: "button" });
    hide.textContent = words.hide;
    hide.addEventListener("click", actions.hide);
    this.inner.append(this.said, ...this.answers, this.longer, this.again, hide);
    node.append(this.inner);
    this.widget = new Widget({ node });
    this.widget.id = "room-lease-bar";
    app.shell.add(this.widget, "header");
    this.widget.hide();
    new ResizeObserver(() => this.fit()).observe(this.inner);
  }

  get isOpen() {
    return this.open;
  }

  busy(busy) {
    for (const button of [this.longer, ...this.answers]) button.disabled = busy;
  }

  show(open, shown, notices) {
    write(this.sentence, shown?.sentence ?? "");
    write(this.left, shown?.left ?? "");
    write(this.models, shown?.models ?? "");
    write(this.note, shown?.note ?? "");
    write(this.why, shown?.why ?? "");
    write(this.longer, shown?.longer ?? "");
    write(this.notices, notices.map(({ text }) => text).join(" "));
    for (const button of this.answers) {
      button.hidden = !notices.some(({ action }) => action === button.dataset.action);
    }
    this.again.hidden = shown?.stage !== "ended" || !this.startPage;
    this.widget.node.dataset.stage = shown?.stage ?? "calm";
    this.widget.node.toggleAttribute("data-notice", notices.length > 0);
    if (open === this.open) return;
    this.open = open;
    this.widget.setHidden(!open);
    this.fit();
  }

  // JupyterLab gives its header the height that style says, not the one of what is in it.
  fit() {
    const header = this.widget.parent;
    if (!header) return;
    const height = this.open ? `${this.inner.offsetHeight}px` : "0";
    if (header.node.style.minHeight === height) return;
    header.node.style.minHeight = height;
    this.app.shell.fit();
  }
}
