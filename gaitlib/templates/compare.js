// The list of runs, and the differences of the two that were picked.
const runs = JSON.parse(document.getElementById("runs").textContent);
const element = (tag, text = "", options = {}) => Object.assign(document.createElement(tag), { textContent: text }, options);
const percent = (value) => (100 * value).toFixed(1);

const fill = (table, heads, rows) => {
  const head = table.createTHead().insertRow();
  heads.forEach((text) => head.append(element("th", text, { scope: "col" })));
  const body = table.createTBody();
  for (const cells of rows) {
    const row = body.insertRow();
    cells.forEach((cell) => row.insertCell().append(cell instanceof Node ? cell : String(cell)));
  }
};

// Mean difference on the shared videos, and its 95 % interval from drawing whole walkers.
const paired = (one, other) => {
  const byWalker = new Map();
  for (const [video, [walker, right]] of Object.entries(one.rights)) {
    if (!(video in other.rights)) continue;
    if (!byWalker.has(walker)) byWalker.set(walker, []);
    byWalker.get(walker).push(other.rights[video][1] - right);
  }
  const groups = [...byWalker.values()];
  if (groups.length < 2) return null;
  const mean = (parts) => parts.flat().reduce((sum, value) => sum + value, 0) / parts.flat().length;
  let state = 1;
  const random = () => (state = (state * 48271) % 2147483647) / 2147483647;
  const means = Array.from({ length: 2000 }, () => mean(groups.map(() => groups[Math.floor(random() * groups.length)])));
  means.sort((low, high) => low - high);
  return { mean: mean(groups), low: means[50], high: means[1949], videos: groups.flat().length, walkers: groups.length };
};

const compare = () => {
  const [one, other] = ["one", "other"].map((id) => runs[document.getElementById(id).value]);
  const rows = [];
  for (const part of ["scores", "data", "settings"]) {
    for (const name of new Set([...Object.keys(one[part]), ...Object.keys(other[part])])) {
      const values = [one, other].map((run) => String(run[part][name] ?? ""));
      if (part === "settings" && values.includes("")) continue; // an experiment has many of each
      if (part === "scores" || values[0] !== values[1]) rows.push([`${part}: ${name.replaceAll("_", " ")}`, ...values]);
    }
  }
  const table = element("table");
  table.append(element("caption", "Scores, and what differs in data and settings"));
  fill(table, ["", one.name, other.name], rows);
  table.tHead.rows[0].cells[0].textContent = "what";
  const found = paired(one, other);
  const text = found
    ? `On the ${found.videos} videos of ${found.walkers} walkers that both tested, the accuracy of ${other.name} minus that of ` +
      `${one.name} is ${percent(found.mean)} points` +
      (found.low < found.high ? ` (95 % interval ${percent(found.low)} to ${percent(found.high)}).` : ".")
    : "The two runs tested too few of the same videos for a paired comparison.";
  document.getElementById("comparison").replaceChildren(element("p", text), table);
};

for (const [place, id] of ["one", "other"].entries()) {
  const select = document.getElementById(id);
  runs.forEach((run, number) => select.append(element("option", run.name, { value: number })));
  select.value = Math.min(1 - place, runs.length - 1);
  select.addEventListener("change", compare);
}
if (runs.length > 1) {
  compare();
} else {
  document.getElementById("comparison").textContent = "There is only one run so far.";
}
