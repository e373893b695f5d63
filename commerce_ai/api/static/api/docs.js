// Shows only the operations whose text has every searched word.
const field = document.getElementById("search");
field.addEventListener("input", () => {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const section of document.querySelectorAll("section")) {
    let any = false;
    for (const each of section.querySelectorAll(".operation")) {
      const text = each.textContent.toLowerCase();
      each.hidden = !words.every((word) => text.includes(word));
      any ||= !each.hidden;
    }
    section.hidden = !any;
  }
});
