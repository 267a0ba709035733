"use strict";

// The upload page: files are sent one after the other, each as the whole body of one request.
{
  const form = document.getElementById("upload");
  const drop = document.getElementById("drop");
  const input = document.getElementById("files");
  const list = document.getElementById("uploads");
  const status = document.getElementById("upload-status");
  const template = document.getElementById("upload-row");
  const text = form.dataset;
  const limit = Number(text.limit);
  const csrf = form.querySelector("[name=csrfmiddlewaretoken]").value;
  const waiting = [];
  let current = null;

  function readableSize(bytes) {
    const units = ["B", "kB", "MB", "GB"];
    let power = 0;
    let size = bytes;
    while (size >= 1024 && power < units.length - 1) {
      size /= 1024;
      power += 1;
    }
    return `${size.toLocaleString(document.documentElement.lang, { maximumFractionDigits: power ? 1 : 0 })} ${units[power]}`;
  }

  class Row {
    constructor(file) {
      this.file = file;
      this.root = template.content.firstElementChild.cloneNode(true);
      this.find(".name").textContent = file.name;
      this.find(".size").textContent = readableSize(file.size);
      this.root.querySelectorAll(".of").forEach((part) => { part.textContent = ` ${file.name}`; });
      this.root.querySelectorAll("progress").forEach((bar) => {
        const label = bar.closest("label").querySelector("span").textContent;
        bar.setAttribute("aria-label", `${label}: ${file.name}`);
      });
      this.find(".cancel").addEventListener("click", () => this.cancel());
      this.find(".retry").addEventListener("click", () => this.start());
      list.append(this.root);
      this.start();
    }

    find(selector) {
      return this.root.querySelector(selector);
    }

    start() {
      this.show("waiting", text.textWaiting);
      this.note("");
      this.find("progress.sending").value = 0;
      this.root.classList.remove("failed");
      const problem = this.file.size === 0 ? text.textEmpty : this.file.size > limit && text.textTooLarge;
      if (problem) {
        this.refuse(problem, false);
        return;
      }
      this.buttons({ cancel: true });
      waiting.push(this);
      next();
    }

    /* `kind` is a class of the badge and a word for tests; `label` is what people read and hear. */
    show(kind, label) {
      const badge = this.find(".badge");
      if (badge.textContent === label) return;
      badge.textContent = label;
      badge.className = `badge ${kind}`;
      this.root.dataset.state = kind;
      announce(`${this.file.name}: ${label}`);
    }

    note(words) {
      this.find(".note").textContent = words;
    }

    buttons({ cancel = false, retry = false }) {
      const buttons = [[this.find(".cancel"), cancel], [this.find(".retry"), retry]];
      const hadFocus = buttons.some(([button]) => button === document.activeElement);
      buttons.forEach(([button, shown]) => { button.hidden = !shown; });
      // A hidden button would drop the keyboard at the top of the page.
      if (hadFocus) (retry ? this.find(".retry") : input).focus();
    }

    send() {
      const request = new XMLHttpRequest();
      this.request = request;
      this.show("uploading", text.textUploading);
      request.upload.addEventListener("progress", (event) => {
        showProgress(this.find("progress.sending"), event.loaded, event.total);
      });
      request.upload.addEventListener("load", () => {
        this.show("uploading", text.textStoring);
        this.buttons({});
      });
      request.addEventListener("load", () => this.answered(request));
      request.addEventListener("error", () => this.refuse(text.textBroken, true));
      request.addEventListener("timeout", () => this.refuse(text.textBroken, true));
      request.addEventListener("abort", () => this.refuse("", true, text.textCancelled));
      request.addEventListener("loadend", () => {
        current = null;
        next();
      });
      request.open("POST", text.url);
      request.setRequestHeader("Content-Type", "application/octet-stream");
      request.setRequestHeader("X-File-Name", encodeURIComponent(this.file.name));
      request.setRequestHeader("X-CSRFToken", csrf);
      request.send(this.file);
    }

    cancel() {
      const place = waiting.indexOf(this);
      if (place >= 0) {
        waiting.splice(place, 1);
        this.refuse("", true, text.textCancelled);
      } else if (current === this) {
        this.request.abort();
      }
    }

    refuse(problem, canRetry, label = text.textRefused) {
      this.root.classList.toggle("failed", problem !== "");
      this.find("progress.sending").value = 0;
      this.show(problem ? "failed" : "cancelled", label);
      this.note(problem);
      if (problem) announce(`${this.file.name}: ${label}. ${problem}`);
      this.buttons({ retry: canRetry });
    }

    answered(request) {
      let answer;
      try {
        answer = JSON.parse(request.responseText);
      } catch {
        answer = {};
      }
      if (request.status >= 300 || !answer.package) {
        this.refuse(answer.error || text.textUnexpected.replace("{status}", request.status), true);
        return;
      }
      this.buttons({});
      showProgress(this.find("progress.sending"), 1, 1);
      const link = this.find(".link");
      link.querySelector("a").href = answer.url;
      link.hidden = false;
      this.isKnown = !answer.is_new;
      if (this.isKnown) {
        this.note(text.textKnown);
        announce(`${this.file.name}: ${text.textKnown}`);
      }
      watchPackage(answer.progress, {
        onChange: (state) => this.extracting(state),
        onEnd: (state) => this.ended(state),
        onTrouble: (problem) => this.note(problem || text.textLost),
      });
    }

    extracting(state) {
      if (state.state === "ready" || state.state === "failed") return;
      this.note(this.isKnown ? text.textKnown : "");
      if (state.state === "uploaded") this.show("uploaded", text.textQueued);
      if (state.state === "extracting") this.show("extracting", text.textExtracting);
      showProgress(this.find("progress.extracting"), state.done, state.total);
    }

    ended(state) {
      showProgress(this.find("progress.extracting"), state.state === "ready" ? 1 : 0, 1);
      this.root.classList.toggle("failed", state.state === "failed");
      const counts = text.textCounts.replace(/\{(\w+)\}/g, (_whole, name) =>
        name === "updates" ? state.updates : state.findings[name]);
      this.note(this.isKnown ? `${text.textKnown} ${counts}` : counts);
      this.show(state.state, state.state === "ready" ? text.textReady : text.textFailed);
    }
  }

  // Messages that come together are read together; each would cut off the one before.
  function announce(message) {
    announce.messages = [...(announce.messages || []), message].slice(-4);
    window.clearTimeout(announce.timer);
    announce.timer = window.setTimeout(() => {
      status.textContent = announce.messages.join(" ");
      announce.messages = [];
    }, 200);
  }

  function next() {
    if (current || waiting.length === 0) return;
    current = waiting.shift();
    current.send();
  }

  function add(files) {
    [...files].forEach((file) => new Row(file));
  }

  form.addEventListener("submit", (event) => event.preventDefault());
  input.addEventListener("change", () => {
    add(input.files);
    // The same file may be chosen again, after it was repaired.
    input.value = "";
  });

  // A file that misses the box must not replace the page.
  window.addEventListener("dragover", (event) => event.preventDefault());
  window.addEventListener("drop", (event) => event.preventDefault());
  ["dragenter", "dragover"].forEach((name) =>
    drop.addEventListener(name, () => drop.classList.add("over")));
  drop.addEventListener("dragleave", (event) => {
    if (!drop.contains(event.relatedTarget)) drop.classList.remove("over");
  });
  drop.addEventListener("drop", (event) => {
    drop.classList.remove("over");
    add(event.dataTransfer.files);
  });

  window.addEventListener("beforeunload", (event) => {
    if (current || waiting.length > 0) event.preventDefault();
  });
}
