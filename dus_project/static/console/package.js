"use strict";

// A package's page: progress while a worker has it, and one box that ticks all others.
{
  const live = document.getElementById("live");
  if (live) {
    const status = document.getElementById("live-status");
    const badge = document.getElementById("state");
    watchPackage(live.dataset.progress, {
      onChange(answer) {
        showProgress(live.querySelector("progress"), answer.done, answer.total);
        badge.textContent = answer.state_label;
        badge.className = `badge ${answer.state}`;
        if (status.textContent !== answer.state_label) status.textContent = answer.state_label;
      },
      // What the examination found stands on the page as the server writes it.
      onEnd: () => window.location.reload(),
      onTrouble(text) {
        status.textContent = text || live.dataset.textLost;
      },
    });
  }

  const all = document.getElementById("choose-all");
  if (all) {
    const boxes = [...document.querySelectorAll("#assign input[name=members]:enabled")];
    const show = () => {
      const ticked = boxes.filter((box) => box.checked).length;
      all.checked = ticked > 0 && ticked === boxes.length;
      all.indeterminate = ticked > 0 && ticked < boxes.length;
    };
    all.hidden = boxes.length < 2;
    all.addEventListener("change", () => boxes.forEach((box) => { box.checked = all.checked; }));
    boxes.forEach((box) => box.addEventListener("change", show));
    show();
  }
}
