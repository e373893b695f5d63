// What unfold leaves to the mouse, or without a name: the page's main part, whatever opens by a click, boxes of select2.
"use strict";

(() => {
  const CLICKED = "#nav-sidebar [x-on\\:click], #header-inner [x-on\\:click], a[x-on\\:click]:not([href])";
  const NATIVE = "a[href], button, input, select, summary, label";

  function landmark() {
    const main = document.getElementById("main") || document.getElementById("page");
    if (main) main.setAttribute("role", "main");
  }

  // A heading stays one: what is in it becomes the button, and its clicks still reach the heading.
  function within(heading) {
    const inner = document.createElement("span");
    inner.className = "flex grow items-center";
    inner.append(...heading.childNodes);
    heading.append(inner);
    return inner;
  }

  function clickable(found) {
    const each = found.matches("h2") ? within(found) : found;
    each.setAttribute("role", "button");
    each.tabIndex = 0;
    const words = document.getElementById("nav-sidebar")?.dataset.toggle;
    if (words && each.closest("#header-inner") && each.matches(".material-symbols-outlined")) each.setAttribute("aria-label", words);
    each.addEventListener("keydown", (event) => {
      if (event.target !== each || (event.key !== "Enter" && event.key !== " ")) return;
      event.preventDefault();
      each.click();
    });
    const list = found.matches("h2") && found.nextElementSibling;
    if (!list) return;
    const say = () => each.setAttribute("aria-expanded", String(getComputedStyle(list).display !== "none"));
    new MutationObserver(say).observe(list, { attributes: true, attributeFilter: ["style"] });
    say();
  }

  // An icon is a word of a font: heard only where nothing else names what it stands on.
  function quiet(icon) {
    const around = icon.closest("a, button, label, [role=button]") || icon.parentElement;
    if (around === icon || around.textContent.trim() === icon.textContent.trim()) return;
    icon.setAttribute("aria-hidden", "true");
  }

  // Select2 comes when it wants, and with each row that is added.
  function named(box) {
    const select = box.previousElementSibling;
    if (!select?.id) return;
    const label = document.querySelector(`label[for="${CSS.escape(select.id)}"]`);
    const words = (label?.textContent || select.getAttribute("aria-label") || select.name).replace("*", "").trim();
    for (const each of box.querySelectorAll("[role=combobox], [role=textbox], [role=searchbox]")) {
      each.removeAttribute("aria-labelledby");
      each.setAttribute("aria-label", words);
    }
  }

  function watch() {
    document.querySelectorAll(".select2-container").forEach(named);
    new MutationObserver((changes) => {
      for (const change of changes) for (const node of change.addedNodes) if (node.classList?.contains("select2-container")) named(node);
    }).observe(document.body, { childList: true, subtree: true });
  }

  function all() {
    landmark();
    [...document.querySelectorAll(CLICKED)].filter((each) => !each.matches(NATIVE)).forEach(clickable);
    document.querySelectorAll(".material-symbols-outlined:not([aria-hidden])").forEach(quiet);
    watch();
  }

  window.addEventListener("load", all);
})();
