"use strict";
/* How long something takes, as people say it. The words are the template's: about.html. */
const roomAbout = (seconds, words) => {
  if (seconds < 60) {
    return words.moment;
  }
  if (seconds < 90 * 60) {
    return words.minutes.replace("{n}", Math.floor(seconds / 60 + 0.5));
  }
  return words.hours.replace("{n}", Math.floor(seconds / 1800 + 0.5) / 2);
};
