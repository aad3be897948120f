"use strict";
/* Go where this page's address leads, once it leads elsewhere: the server has begun to start. */
(() => {
  const POLL = 1000;

  async function watch() {
    let onward = false;
    try {
      const answer = await fetch(location.href, { redirect: "manual", cache: "no-store" });
      onward = answer.type === "opaqueredirect" || (answer.status >= 400 && answer.status < 500);
    } catch {
      /* the hub is away for a moment: go on asking */
    }
    if (onward) location.reload();
    else setTimeout(watch, POLL);
  }

  setTimeout(watch, POLL);
})();
