// What somebody chose to upload, and how sizes and times are written.
"use strict";

const roomFiles = (() => {
  function chosen(input) {
    return inside([...input.files].map((file) => ({ path: file.webkitRelativePath || file.name, file })));
  }

  // What is in a folder is published, and not the folder.
  function inside(files) {
    const top = files[0]?.path.split("/")[0] + "/";
    const folder = files.every((each) => each.path.startsWith(top));
    return folder ? files.map((each) => ({ ...each, path: each.path.slice(top.length) })) : files;
  }

  async function dropped(items) {
    const files = [];
    for (const entry of [...items].map((item) => item.webkitGetAsEntry()).filter(Boolean)) {
      await walk(entry, files);
    }
    return inside(files);
  }

  async function walk(entry, files) {
    if (entry.isFile) {
      const file = await new Promise((found, failed) => entry.file(found, failed));
      files.push({ path: entry.fullPath.slice(1), file });
      return;
    }
    const reader = entry.createReader();
    for (;;) {
      const some = await new Promise((found, failed) => reader.readEntries(found, failed));
      if (!some.length) {
        return;
      }
      for (const each of some) {
        await walk(each, files);
      }
    }
  }

  function filled(pattern, values) {
    return pattern.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  }

  function size(bytes) {
    for (const [unit, factor] of [["GiB", 1024 ** 3], ["MiB", 1024 ** 2], ["KiB", 1024]]) {
      if (bytes >= factor) {
        return `${Number((bytes / factor).toPrecision(4))} ${unit}`;
      }
    }
    return `${bytes} bytes`;
  }

  function span(seconds, words) {
    if (seconds >= 5400) {
      return filled(words.hours, { n: (seconds / 3600).toFixed(1) });
    }
    return seconds >= 90
      ? filled(words.minutes, { n: Math.round(seconds / 60) })
      : filled(words.seconds, { n: Math.round(seconds) });
  }

  return { chosen, dropped, filled, size, span };
})();
