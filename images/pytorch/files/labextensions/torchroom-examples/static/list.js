// A card in the launcher, and the list that it opens.

import { pick } from "./words.js";

const OPEN = "torchroom-examples:open";

export function start({ app, lab, launch, palette, translator, here }) {
  const words = pick(translator?.languageCode, navigator.language);
  const style = document.createElement("link");
  style.rel = "stylesheet";
  style.href = new URL("style.css", here).href;
  document.head.append(style);
  let shown = null;
  app.commands.addCommand(OPEN, {
    label: words.examples,
    caption: words.caption,
    iconClass: "room-examples-icon",
    execute: () => {
      if (!shown || shown.isDisposed) shown = new List(app, lab, words).widget;
      if (!shown.isAttached) app.shell.add(shown, "main");
      app.shell.activateById(shown.id);
    },
  });
  launch?.add({ command: OPEN, category: "Notebook", rank: 10 });
  palette?.addItem({ command: OPEN, category: "Torchroom" });
}

function element(tag, className, text = "", attributes = {}) {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

class List {
  constructor(app, lab, words) {
    this.app = app;
    this.lab = lab;
    this.words = words;
    this.settings = app.serviceManager.serverSettings;
    const node = element("section", "room-examples", "", {
      lang: words.lang,
      tabindex: "-1",
      "aria-labelledby": "room-examples-title",
    });
    node.append(element("h1", "", words.examples, { id: "room-examples-title" }));
    node.append(element("p", "", words.intro));
    this.problem = element("p", "room-examples-problem", "", { role: "alert" });
    this.list = element("ul", "");
    node.append(this.problem, this.list);
    this.widget = new lab.Widget({ node });
    this.widget.id = "room-examples";
    this.widget.title.label = words.examples;
    this.widget.title.iconClass = "room-examples-icon";
    this.widget.title.closable = true;
    this.fill();
  }

  async request(more = "", init = {}) {
    const url = this.lab.URLExt.join(this.settings.baseUrl, "room/examples", more);
    const answer = await this.lab.ServerConnection.makeRequest(url, init, this.settings);
    if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
    return answer.json();
  }

  async fill() {
    try {
      const { examples } = await this.request();
      this.list.replaceChildren(...examples.map((each) => this.row(each)));
    } catch (error) {
      console.error("torchroom-examples:", error);
      this.problem.textContent = this.words.silent;
    }
  }

  row({ name, title, about, copied }) {
    const said = (texts) => texts[this.words.lang] ?? texts.en;
    const row = element("li", "");
    const text = element("div", "room-examples-text");
    text.append(element("h2", "", said(title)), element("p", "", said(about)));
    const button = element("button", "jp-mod-styled jp-mod-accept", "", { type: "button" });
    const label = (has) => {
      button.textContent = has ? this.words.open : this.words.copy;
      button.setAttribute("aria-label", `${button.textContent}: ${said(title)}`);
    };
    label(copied);
    button.addEventListener("click", async () => {
      this.problem.textContent = "";
      try {
        const { path } = await this.request(encodeURIComponent(name), { method: "POST" });
        label(true);
        await this.app.commands.execute("docmanager:open", { path });
      } catch (error) {
        console.error("torchroom-examples:", error);
        this.problem.textContent = this.words.full;
      }
    });
    row.append(text, button);
    return row;
  }
}
