// What JupyterLab loads: a module federation container, by hand, as there is nothing to build.
// Its name has no hash: without "?v=" the server lets a browser keep a file only as long as it
// is the same. Everything else is loaded once JupyterLab is there, so that the page never waits.
(() => {
  "use strict";
  const here = document.currentScript.src;
  let shared = {};

  async function library(name) {
    const versions = Object.values(shared[name] ?? {});
    if (!versions.length) throw new Error(`torchroom-lease: JupyterLab shares no ${name}`);
    return (await versions[versions.length - 1].get())();
  }

  async function extension() {
    const names = ["apputils", "coreutils", "services", "statusbar", "translation"];
    const [apputils, coreutils, services, statusbar, translation, widgets] = await Promise.all([
      ...names.map((name) => library(`@jupyterlab/${name}`)),
      library("@lumino/widgets"),
    ]);
    const lab = { ...apputils, ...coreutils, ...services, ...widgets };
    return {
      id: "torchroom-lease:banner",
      description: "Shows how long the GPU is lent, and asks for more time.",
      autoStart: true,
      optional: [statusbar.IStatusBar, translation.ITranslator],
      activate(app, statusBar, translator) {
        import(new URL("banner.js", here).href)
          .then((banner) => banner.start({ app, lab, statusBar, translator, here }))
          .catch((error) => console.error("torchroom-lease:", error));
      },
    };
  }

  window._JUPYTERLAB = window._JUPYTERLAB ?? {};
  window._JUPYTERLAB["torchroom-lease"] = {
    init(scope) {
      shared = scope;
    },
    async get() {
      const plugin = await extension();
      return () => ({ __esModule: true, default: [plugin] });
    },
  };
})();
