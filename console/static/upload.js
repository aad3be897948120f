// Begins uploads, sends their files, and goes on after whatever came between. upload_files.js and
// upload_ask.js come before it.
"use strict";

(() => {
  const section = document.getElementById("uploads");
  if (!section) {
    return;
  }
  const words = section.dataset;
  const { chosen, dropped, filled, size, span } = roomFiles;
  const { Refused, ask, fresh, renew, secret } = roomAsk(words);
  //: Files that are sent at once, and milliseconds: without a byte, until a connection is given up;
  // between two tries, at most; over which a rate is taken.
  const AT_ONCE = 2;
  const STILL = 30_000;
  const PAUSE = 15_000;
  const RATE_OVER = 10_000;
  const jobs = new Map();

  // The list as the server has it; rows of what is being sent stay.
  async function refresh() {
    const there = (await fresh()).getElementById("uploads");
    section.hidden = there.hidden;
    for (const row of section.querySelectorAll("li")) {
      if (!jobs.has(row.dataset.upload)) {
        row.remove();
      }
    }
    for (const row of [...there.querySelectorAll("li")]) {
      if (!jobs.has(row.dataset.upload)) {
        section.querySelector("ul").append(row);
        watch(row);
      }
    }
  }

  const rowOf = (id) => section.querySelector(`[data-upload="${id}"]`);

  // -- sending -------------------------------------------------------------------------------

  class Job {
    constructor(id, row, files, total) {
      this.id = id;
      this.row = row;
      this.files = files;
      this.total = total;
      // Of files that nobody sends now what is there counts, too.
      this.before = 0;
      this.active = new Set();
      this.points = [];
      // Who was told to stop, and waits still, is of an earlier run.
      this.run = 0;
      jobs.set(id, this);
      this.part("[data-again]")?.remove();
      this.pause.onclick = () => this.stop(words.paused);
      this.resume.onclick = () => this.go();
      this.row.querySelector("details form").addEventListener("submit", () => this.end());
    }

    part(selector) {
      return this.row.querySelector(selector);
    }

    get pause() {
      return this.part("[data-pause]");
    }

    get resume() {
      return this.part("[data-go-on]");
    }

    say(state, failed = "") {
      this.part("[data-state]").textContent = state;
      const alert = this.part("[data-failed]");
      alert.textContent = failed;
      alert.hidden = !failed;
    }

    end() {
      this.halt();
      jobs.delete(this.id);
    }

    halt() {
      this.run += 1;
      for (const each of this.active) {
        each.sender.abort();
        each.fail(new Error("halted"));
      }
    }

    stop(state, failed = "") {
      this.halt();
      this.points = [];
      this.part("[data-rate]").textContent = this.part("[data-left]").textContent = "";
      this.pause.hidden = true;
      this.resume.hidden = false;
      this.say(state, failed);
    }

    async go() {
      const run = (this.run += 1);
      this.pause.hidden = false;
      this.resume.hidden = true;
      this.say("");
      const left = this.files.filter((each) => each.offset < each.size);
      try {
        await Promise.all(Array.from({ length: AT_ONCE }, () => this.work(left, run)));
        if (this.run === run) {
          await this.publish();
        }
      } catch (error) {
        if (this.run === run) {
          this.stop("", error instanceof Refused ? error.message : words.failed);
        }
      }
    }

    async work(left, run) {
      while (left.length && this.run === run) {
        await this.bring(left.shift(), run);
      }
    }

    async bring(each, run) {
      for (let tries = 0; this.run === run; tries += 1) {
        try {
          await this.send(each);
          return;
        } catch (error) {
          const before = each.tried;
          each.tried = each.offset;
          tries = each.offset > before ? 0 : tries;
          if (this.run === run) {
            await this.after(error, tries);
          }
        }
      }
    }

    // Wait, or mend what is wrong; what nobody can mend but who sees it is thrown.
    async after(error, tries) {
      const answer = error.originalResponse;
      const status = answer?.getStatus() ?? 0;
      if (status === 404) {
        throw new Refused(words.gone);
      }
      if (status === 507) {
        throw new Refused(JSON.parse(answer.getBody()).error.message);
      }
      this.say(words.lost);
      await pause(Math.min(500 * 2 ** tries, PAUSE));
      if (status === 401 || status === 403) {
        await renew().catch((failed) => {
          // The room is not back yet; who is signed out is told so.
          if (failed instanceof Refused) {
            throw failed;
          }
        });
      }
    }

    send(each) {
      return new Promise((done, fail) => {
        each.fail = fail;
        each.moved = Date.now();
        each.sender = new tus.Upload(each.file, {
          uploadUrl: each.url,
          chunkSize: Number(words.chunk),
          // The server knows what it has, on whichever computer somebody goes on.
          storeFingerprintForResuming: false,
          retryDelays: null,
          onBeforeRequest: (request) => request.setHeader("X-CSRF-Token", secret()),
          onProgress: (sent) => this.hear(each, sent),
          onSuccess: () => {
            each.offset = each.size;
            done();
          },
          onError: fail,
        });
        this.active.add(each);
        each.sender.start();
      }).finally(() => this.active.delete(each));
    }

    hear(each, sent) {
      if (sent > each.offset && this.part("[data-state]").textContent) {
        this.say("");
      }
      each.moved = Date.now();
      each.offset = sent;
      this.show();
    }

    show() {
      const now = Date.now();
      const done = this.before + this.files.reduce((sum, each) => sum + each.offset, 0);
      this.part("progress").value = done;
      this.part("[data-amount]").textContent = filled(words.amount, {
        done: size(done),
        total: size(this.total),
      });
      this.points = this.points.filter((point) => now - point[0] <= RATE_OVER);
      this.points.push([now, done]);
      const [since, from] = this.points[0];
      const rate = ((done - from) * 1000) / (now - since);
      if (now - since > 1000 && rate >= 1) {
        this.part("[data-rate]").textContent = filled(words.rate, { rate: size(Math.round(rate)) });
        this.part("[data-left]").textContent = span((this.total - done) / rate, words);
      }
    }

    // One that does not move may be a connection that nobody told has ended.
    look() {
      for (const each of this.active) {
        if (Date.now() - each.moved > STILL) {
          each.sender.abort();
          each.fail(new Error("still"));
        }
      }
    }

    async publish() {
      this.say(words.whole);
      this.pause.hidden = true;
      let failed = "";
      try {
        await ask("POST", `/${this.id}/publish`, {});
      } catch (error) {
        if (!(error instanceof Refused)) {
          throw error;
        }
        failed = error.message;
      }
      this.end();
      if (!failed && !jobs.size) {
        location.assign(`${words.page}?said=publishing`);
        return;
      }
      await refresh();
      const row = rowOf(this.id);
      if (row && failed) {
        const alert = row.querySelector("[data-failed]");
        alert.textContent = failed;
        alert.hidden = false;
      }
    }
  }

  setInterval(() => jobs.forEach((job) => job.look()), 5_000);

  function pause(milliseconds) {
    return new Promise((over) => {
      const timer = setTimeout(over, milliseconds);
      addEventListener("online", () => over(clearTimeout(timer)), { once: true });
    });
  }

  addEventListener("beforeunload", (event) => {
    if ([...jobs.values()].some((job) => job.active.size)) {
      event.preventDefault();
    }
  });

  // -- beginning, and going on ---------------------------------------------------------------

  function send(told, files) {
    const known = new Map(files.map((each) => [each.path, each.file]));
    const mine = [];
    let before = 0;
    let total = 0;
    for (const each of told.files) {
      const file = known.get(each.path);
      total += each.size;
      if (file && file.size === each.size && file.lastModified === each.modified) {
        mine.push({ ...each, file, tried: 0 });
      } else {
        before += each.offset;
      }
    }
    const row = rowOf(told.id);
    if (!mine.some((each) => each.offset < each.size) && files.length && before < total) {
      throw new Refused(words.others);
    }
    const job = new Job(told.id, row, mine, total);
    job.before = before;
    job.show();
    return job.go();
  }

  function watch(row) {
    const again = row.querySelector("[data-again]");
    if (!again) {
      return;
    }
    again.hidden = false;
    for (const input of again.querySelectorAll("input")) {
      input.addEventListener("change", async () => {
        const alert = row.querySelector("[data-failed]");
        alert.hidden = true;
        try {
          await send(await ask("GET", `/${row.dataset.upload}`), chosen(input));
        } catch (error) {
          alert.textContent = error instanceof Refused ? error.message : words.failed;
          alert.hidden = false;
        }
      });
    }
  }
  section.querySelectorAll("li").forEach(watch);

  const form = document.getElementById("upload");
  if (!form) {
    return;
  }
  let files = [];

  function take(found) {
    files = found;
    const total = files.reduce((sum, each) => sum + each.file.size, 0);
    const told = filled(words.chosen, { n: files.length, size: size(total) });
    form.querySelector("[data-told]").textContent = files.length ? told : "";
  }

  const inputs = [...form.querySelectorAll("input[type='file']")];
  for (const input of inputs) {
    input.addEventListener("change", () => {
      inputs.filter((each) => each !== input).forEach((each) => (each.value = ""));
      take(chosen(input));
    });
  }
  const place = form.querySelector("[data-drop]");
  place.addEventListener("dragover", (event) => {
    event.preventDefault();
    place.classList.add("over");
  });
  place.addEventListener("dragleave", () => place.classList.remove("over"));
  place.addEventListener("drop", async (event) => {
    event.preventDefault();
    place.classList.remove("over");
    inputs.forEach((each) => (each.value = ""));
    take(await dropped(event.dataTransfer.items));
  });

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const alert = form.querySelector("[data-failed]");
    const button = form.querySelector("button");
    alert.hidden = true;
    button.disabled = true;
    try {
      const told = await begin(new FormData(form));
      await refresh();
      const sending = files;
      form.reset();
      take([]);
      rowOf(told.id).scrollIntoView({ block: "nearest" });
      send(told, sending);
    } catch (error) {
      alert.textContent = error instanceof Refused ? error.message : words.failed;
      alert.hidden = false;
    } finally {
      button.disabled = false;
    }
  });

  function begin(data) {
    if (!files.length) {
      throw new Refused(words.none);
    }
    return ask("POST", "", {
      name: data.get("name"),
      classes: data.getAll("class"),
      unpack: data.has("unpack"),
      description: data.get("description"),
      licence: data.get("licence"),
      source: data.get("source"),
      files: files.map(({ path, file }) => ({ path, size: file.size, modified: file.lastModified })),
    });
  }
})();
