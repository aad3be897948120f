// Every sentence of ours. What the hub writes (why, notices, refusals) comes in the language
// that it is asked for.

const EN = {
  lang: "en",
  server: "Server",
  gpu: "GPU",
  gpus: (count) => `${count} GPUs`,
  seat: "Seat on a shared GPU (cooperative)",
  until: (what, time, left) => `${what} until ${time}, ${left} left`,
  over: (what) => `${what}: time is over`,
  hours: (hours) => `${hours} h`,
  minutes: (minutes) => `${minutes} min`,
  lessThanAMinute: "less than a minute",
  left: (left) => `${left} left`,
  calm: (time) => `This server runs until ${time}, then it stops. Your files stay.`,
  fifteen: (time) => `This server stops at ${time}. Please save your work. Your files stay.`,
  five: (time) =>
    `This server stops at ${time}. Save your work now: files stay, what runs is ended.`,
  ended: "Your time has ended and this server stops. Your files are kept.",
  again: "To the start page",
  longer: (span) => `Keep it ${span} longer`,
  extended: (time) => `You can go on working until ${time}.`,
  notNow: "The room does not answer at the moment. Please try again in a minute.",
  cooperative:
    "Others work on the same GPU: its memory is shared by agreement. Stay within your seat's share.",
  stay: "I am still here",
  giveBack: "Give the GPU back and go on with the CPU",
  keep: "Keep it",
  restarting: "The GPU is given back and this server restarts. You are taken to its start.",
  hide: "Hide",
  region: "Time on this server",
  details: "Show how long this server runs",
};

const ZH = {
  lang: "zh-CN",
  server: "服务器",
  gpu: "GPU",
  gpus: (count) => `${count} 个 GPU`,
  seat: "共享 GPU 席位（协作共享）",
  until: (what, time, left) => `${what} 可用至 ${time}，还剩 ${left}`,
  over: (what) => `${what}：时间已到`,
  hours: (hours) => `${hours} 小时`,
  minutes: (minutes) => `${minutes} 分钟`,
  lessThanAMinute: "不到 1 分钟",
  left: (left) => `还剩 ${left}`,
  calm: (time) => `此服务器运行至 ${time}，届时停止。您的文件会保留。`,
  fifteen: (time) => `此服务器将于 ${time} 停止。请保存您的工作。文件会保留。`,
  five: (time) => `此服务器将于 ${time} 停止。请立即保存：文件会保留，正在运行的程序会结束。`,
  ended: "您的使用时间已到，此服务器即将停止。您的文件已保留。",
  again: "返回启动页面",
  longer: (span) => `再用 ${span}`,
  extended: (time) => `您可以继续使用到 ${time}。`,
  notNow: "服务暂时没有响应，请一分钟后再试。",
  cooperative: "其他人也在使用这块 GPU：显存靠约定共享。请不要超出您席位的份额。",
  stay: "我还在",
  giveBack: "归还 GPU，改用 CPU",
  keep: "继续保留",
  restarting: "正在归还 GPU，此服务器会重新启动。即将转到启动页面。",
  hide: "隐藏",
  region: "此服务器的使用时间",
  details: "查看此服务器可以使用多久",
};

// JupyterLab's own language if it is Chinese; else the browser's, as the image brings no language
// packs and JupyterLab says English then.
export function pick(lab, browser) {
  const chinese = (tag) => /^zh\b/i.test((tag ?? "").replace("_", "-"));
  const english = !lab || /^(en|default)\b/i.test(lab.replace("_", "-"));
  return chinese(lab) || (english && chinese(browser)) ? ZH : EN;
}
