// Shows times in the reader's time zone, and keeps distances such as "in 23 h" right.
// Without this script, times are in UTC.
"use strict";

{
  // The clock of the gateway counts: that of this computer may be wrong.
  const ahead = Date.parse(document.currentScript.dataset.now) - Date.now();
  const units = [["day", 86400], ["h", 3600], ["min", 60]];
  const toFormat = (timeZoneName) => new Intl.DateTimeFormat("en-GB", {
    day: "numeric", month: "long", year: "numeric", hour: "2-digit", minute: "2-digit",
    hourCycle: "h23", timeZoneName,
  });
  const formats = { long: toFormat("long"), short: toFormat("short") };

  function toMoment(at, zone) {
    const found = {};
    for (const part of formats[zone].formatToParts(at)) found[part.type] = part.value;
    const { day, month, year, hour, minute, timeZoneName } = found;
    return `${day} ${month} ${year}, ${hour}:${minute} ${timeZoneName}`;
  }

  function toDistance(at) {
    const away = at - (Date.now() + ahead);
    const seconds = Math.floor(Math.abs(away) / 1000);
    const unit = units.find(([, size]) => seconds >= size);
    let text = "less than a minute";
    if (unit) {
      const count = Math.floor(seconds / unit[1]);
      text = `${count} ${unit[0]}${unit[0] === "day" && count !== 1 ? "s" : ""}`;
    }
    return away > 0 ? `in ${text}` : `${text} ago`;
  }

  function show() {
    for (const shown of document.querySelectorAll("time[datetime]")) {
      const at = Date.parse(shown.dateTime);
      const isFar = shown.dataset.show === "distance";
      const text = isFar ? toDistance(at) : toMoment(at, shown.dataset.zone || "short");
      if (shown.textContent !== text) shown.textContent = text;
    }
  }

  show();
  setInterval(show, 10000);
  // The script of the inbox replaces rows.
  new MutationObserver(show).observe(document.body, { childList: true, subtree: true });
}
