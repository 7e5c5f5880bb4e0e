// A field for one file: click it, or drop a file on it. The file goes to Python in parts, so that no
// message is too large for the connection.
const PART_BYTES = 1024 * 1024;
const MAX_BYTES = 500e6;

function render({ model, el }) {
  const field = document.createElement("label");
  const input = document.createElement("input");
  const words = document.createElement("span");
  input.type = "file";
  input.setAttribute("aria-label", "Video of somebody who walks");
  words.setAttribute("role", "status");
  words.textContent = model.get("prompt");
  field.className = "gaitlib-picker";
  field.style.cssText =
    "display:block;padding:1.5rem;border:2px dashed #767676;border-radius:8px;text-align:center;cursor:pointer";
  field.append(input, document.createElement("br"), words);
  el.append(field);

  async function send(file) {
    if (file.size > MAX_BYTES) {
      words.textContent =
        `${file.name} has ${Math.round(file.size / 1e6)} MB, more than ${MAX_BYTES / 1e6} MB: ` +
        "cut it to the seconds in which somebody walks.";
      return;
    }
    input.disabled = true;
    for (let start = 0; start < file.size || start === 0; start += PART_BYTES) {
      const part = await file.slice(start, start + PART_BYTES).arrayBuffer();
      const is_last = start + PART_BYTES >= file.size;
      model.send({ name: file.name, start, is_last }, undefined, [new DataView(part)]);
      words.textContent = is_last ? `Reading ${file.name} ...` : `Sending ${file.name} ...`;
    }
  }

  input.addEventListener("change", () => input.files[0] && send(input.files[0]));
  for (const kind of ["dragenter", "dragover", "drop"]) {
    field.addEventListener(kind, (event) => event.preventDefault());
  }
  field.addEventListener("drop", (event) => event.dataTransfer.files[0] && send(event.dataTransfer.files[0]));
  model.on("change:prompt", () => {
    words.textContent = model.get("prompt");
    input.disabled = false;
    input.value = "";
  });
}

export default { render };
