// Asks the console for a page that is open for long: the session may be another one by then.
"use strict";

// ``words``: the console's addresses, and what is said when nobody else says anything.
const roomAsk = (words) => {
  class Refused extends Error {}

  let secret = secretOf(document);

  function secretOf(page) {
    const told = page.body.getAttribute("hx-headers");
    return told ? JSON.parse(told)["X-CSRF-Token"] : "";
  }

  // A room that was started anew knows no session; the hub signs in again without asking.
  let renewing = null;
  function renew() {
    renewing ??= fresh().finally(() => {
      renewing = null;
    });
    return renewing;
  }

  async function fresh() {
    const answer = await fetch(words.page);
    if (!answer.ok) {
      throw new Error("the room is not back yet");
    }
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const found = secretOf(page);
    if (!found) {
      throw new Refused(words.out);
    }
    secret = found;
    document.body.setAttribute("hx-headers", JSON.stringify({ "X-CSRF-Token": secret }));
    for (const field of document.querySelectorAll("[name='_csrf']")) {
      field.value = secret;
    }
    return page;
  }

  async function ask(method, path, body, again = true) {
    const headers = { "X-CSRF-Token": secret, "Content-Type": "application/json" };
    const answer = await fetch(words.api + path, { method, headers, body: body && JSON.stringify(body) });
    if ((answer.status === 401 || answer.status === 403) && again) {
      await renew();
      return ask(method, path, body, false);
    }
    if (!answer.ok) {
      const told = await answer.json().catch(() => null);
      throw new Refused(told?.error?.message ?? words.failed);
    }
    return answer.json();
  }

  return { Refused, ask, fresh, renew, secret: () => secret };
};
