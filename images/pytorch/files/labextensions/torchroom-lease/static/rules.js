// What is to be seen at a moment: values in, values out.

const STAGES = [
  ["ended", 0],
  ["five", 5 * 60],
  ["fifteen", 15 * 60],
];

// The page counts from the seconds that the server names: a laptop's clock may be wrong.
export function leaseOf(told, now) {
  if (!told || typeof told.left !== "number") return null;
  const units = told.units ?? [];
  return {
    end: now + told.left * 1000,
    shown: new Date(told.ends),
    count: units.length,
    seat: units.some((unit) => unit.seat),
    models: [...new Set(units.map((unit) => unit.model).filter(Boolean))],
    extend: told.extend ? told.extend_seconds : 0,
    why: told.why ?? "",
  };
}

export function secondsLeft(lease, now) {
  return (lease.end - now) / 1000;
}

export function stage(left) {
  const found = STAGES.find(([, most]) => left <= most);
  return found ? found[0] : "calm";
}

export function span(seconds, words) {
  if (seconds < 60) return words.lessThanAMinute;
  const minutes = Math.ceil(seconds / 60);
  const [hours, rest] = [Math.floor(minutes / 60), minutes % 60];
  const parts = [hours && words.hours(hours), rest && words.minutes(rest)];
  return parts.filter(Boolean).join(" ");
}

export function clock(shown, now, words) {
  const today = shown.toDateString() === new Date(now).toDateString();
  const parts = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  return new Intl.DateTimeFormat(words.lang, today ? parts : { weekday: "short", ...parts }).format(
    shown,
  );
}

function what(lease, words) {
  if (lease.seat) return words.seat;
  if (!lease.count) return words.server;
  return lease.count === 1 ? words.gpu : words.gpus(lease.count);
}

// `item` is the status bar's text, `sentence` what is announced once, `left` what is not.
export function view(lease, now, words) {
  const seconds = secondsLeft(lease, now);
  const at = stage(seconds);
  const time = clock(lease.shown, now, words);
  const ended = at === "ended";
  const left = span(seconds, words);
  return {
    stage: at,
    time,
    item: ended ? words.over(what(lease, words)) : words.until(what(lease, words), time, left),
    sentence: ended ? words.ended : words[at](time),
    left: ended ? "" : words.left(left),
    models: ended ? "" : lease.models.join(", "),
    note: lease.seat && !ended ? words.cooperative : "",
    longer: !ended && lease.extend ? words.longer(span(lease.extend, words)) : "",
    why: !ended && !lease.extend ? lease.why : "",
  };
}

// Each end has one warning a stage; a page that is opened late has only the last.
export function warning(lease, now) {
  const at = stage(secondsLeft(lease, now));
  return at === "fifteen" || at === "five" ? `${lease.shown.getTime()}/${at}` : "";
}

// Notices are shown until they are hidden, or told no more.
export function toShow(notices, hidden) {
  return (notices ?? []).filter(({ id, text }) => id && text && !hidden.includes(id));
}

// Where a page goes while its server restarts, to come back to where it was. Its question is left
// out: to open a layout anew would be to lose the notebooks that are open.
export function restart(page, host, path) {
  return `${host}${page}?next=${encodeURIComponent(path)}`;
}

// The end of the address that a page asks: whether it wants to know now, and was used meanwhile.
export function question({ fresh, here }) {
  const said = [fresh && "fresh=1", here && "here=1"].filter(Boolean);
  return said.length ? `?${said.join("&")}` : "";
}

const ASK = [2_000, 30_000]; // ms between two questions: at least, and at most

// The server says in how many seconds it may know more: all its pages ask then, and it asks once.
export function pause(told) {
  const [least, most] = ASK;
  return Math.min(most, Math.max(least, (told?.again ?? Infinity) * 1000));
}
