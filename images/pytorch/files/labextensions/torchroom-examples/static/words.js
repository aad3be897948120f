// Every sentence of ours; titles and what is said of a notebook are in the notebook itself.

const EN = {
  lang: "en",
  examples: "Examples",
  caption: "Example notebooks to copy to your home",
  intro: "Short notebooks to start from. Each runs as it is, with and without a GPU. A copy is yours to change, and is never overwritten.",
  copy: "Copy to my home",
  open: "Open my copy",
  silent: "The examples cannot be listed at the moment. Please try again in a minute.",
  full: "It could not be copied: your home may be full. Delete what you do not need, and try again.",
};

const ZH = {
  lang: "zh-CN",
  examples: "示例",
  caption: "可以复制到主目录的示例笔记本",
  intro: "可以作为起点的简短笔记本。每个都能直接运行，有没有 GPU 都可以。副本归您修改，永远不会被覆盖。",
  copy: "复制到我的主目录",
  open: "打开我的副本",
  silent: "暂时无法列出示例，请一分钟后再试。",
  full: "无法复制：您的主目录可能已满。请删除不需要的内容，然后重试。",
};

// As in torchroom-lease: JupyterLab's own language if it is Chinese, else the browser's.
export function pick(lab, browser) {
  const chinese = (tag) => /^zh\b/i.test((tag ?? "").replace("_", "-"));
  const english = !lab || /^(en|default)\b/i.test(lab.replace("_", "-"));
  return chinese(lab) || (english && chinese(browser)) ? ZH : EN;
}
