// A click on the head of a column sorts its table; a second click turns the order round.
for (const table of document.querySelectorAll("main table")) {
  const body = table.tBodies[0];
  const heads = table.tHead ? [...table.tHead.rows[0].cells] : [];
  if (!body || body.rows.length < 3 || heads.some((head) => !head.textContent.trim())) continue;
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const isRising = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", isRising ? "ascending" : "descending");
      const texts = new Map([...body.rows].map((row) => [row, row.cells[column].textContent.trim()]));
      const compare = (one, other) => {
        const numbers = [one, other].map((row) => Number.parseFloat(texts.get(row)));
        if (!numbers.some(Number.isNaN)) return numbers[0] - numbers[1];
        return texts.get(one).localeCompare(texts.get(other));
      };
      body.append(...[...body.rows].sort((one, other) => (isRising ? 1 : -1) * compare(one, other)));
    });
  });
}

// What scrolls sideways on a narrow screen can be reached and scrolled by keyboard.
const markScrolling = () => {
  for (const area of document.querySelectorAll(".output_subarea, .input_area, figure, pre")) {
    if (area.scrollWidth > area.clientWidth + 1) {
      area.tabIndex = 0;
    } else {
      area.removeAttribute("tabindex");
    }
  }
};
markScrolling();
addEventListener("resize", markScrolling);

// Moving clips can be stopped: their still picture takes their place.
for (const group of document.querySelectorAll(".clips")) {
  const sources = [...group.querySelectorAll("source")];
  const media = sources.map((source) => source.media);
  const button = document.createElement("button");
  let isStill = false;
  button.className = "small";
  button.type = "button";
  button.textContent = "Pause clips";
  button.addEventListener("click", () => {
    isStill = !isStill;
    sources.forEach((source, place) => (source.media = isStill ? "all" : media[place]));
    button.textContent = isStill ? "Play clips" : "Pause clips";
  });
  group.before(button);
}

// A button copies a command.
for (const command of document.querySelectorAll("pre.command")) {
  const button = document.createElement("button");
  button.className = "small";
  button.type = "button";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(command.textContent.trim());
    button.textContent = "Copied";
  });
  command.after(button);
}
