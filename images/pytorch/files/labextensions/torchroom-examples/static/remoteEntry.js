// What JupyterLab loads, as torchroom-lease's: a module federation container, by hand. Its list is
// loaded when somebody first asks for it.
(() => {
  "use strict";
  const here = document.currentScript.src;
  let shared = {};

  async function library(name) {
    const versions = Object.values(shared[name] ?? {});
    if (!versions.length) throw new Error(`torchroom-examples: JupyterLab shares no ${name}`);
    return (await versions[versions.length - 1].get())();
  }

  async function extension() {
    const names = ["apputils", "coreutils", "launcher", "services", "translation"];
    const [apputils, coreutils, launcher, services, translation, widgets] = await Promise.all([
      ...names.map((name) => library(`@jupyterlab/${name}`)),
      library("@lumino/widgets"),
    ]);
    const lab = { ...apputils, ...coreutils, ...services, ...widgets };
    return {
      id: "torchroom-examples:list",
      description: "Lists example notebooks, and copies them to the home.",
      autoStart: true,
      optional: [launcher.ILauncher, apputils.ICommandPalette, translation.ITranslator],
      activate(app, launch, palette, translator) {
        import(new URL("list.js", here).href)
          .then((list) => list.start({ app, lab, launch, palette, translator, here }))
          .catch((error) => console.error("torchroom-examples:", error));
      },
    };
  }

  window._JUPYTERLAB = window._JUPYTERLAB ?? {};
  window._JUPYTERLAB["torchroom-examples"] = {
    init(scope) {
      shared = scope;
    },
    async get() {
      const plugin = await extension();
      return () => ({ __esModule: true, default: [plugin] });
    },
  };
})();
