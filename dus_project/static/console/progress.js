"use strict";

/* Asks how far a package is, about once a second while something moves and less often while nothing does,
   until it is ready or failed.
   watchPackage(url, {onChange, onEnd, onTrouble}): each gets the server's answer; onTrouble gets none. */
function watchPackage(url, { onChange, onEnd, onTrouble }) {
  const FIRST = 700;
  const LONGEST = 5000;
  let pause = FIRST;
  let last = "";

  async function ask() {
    try {
      const response = await fetch(url, { headers: { Accept: "application/json" }, cache: "no-store" });
      const answer = await response.json();
      if (!response.ok) {
        onTrouble(answer.error || "");
        // Neither a package nor a permission appears by asking again; everything else may pass.
        if (response.status === 403 || response.status === 404) return;
        pause = LONGEST;
      } else {
        const text = JSON.stringify(answer);
        pause = text === last ? Math.min(pause * 1.3, LONGEST) : FIRST;
        last = text;
        onChange(answer);
        if (answer.state === "ready" || answer.state === "failed") {
          onEnd(answer);
          return;
        }
      }
    } catch {
      onTrouble("");
      pause = Math.min(pause * 2, LONGEST);
    }
    window.setTimeout(ask, pause);
  }

  ask();
}

// A bar without a value moves to and fro: something happens, nobody knows how much of it remains.
function showProgress(bar, done, total) {
  if (total > 0) {
    bar.max = total;
    bar.value = done;
  } else {
    bar.removeAttribute("value");
  }
}
