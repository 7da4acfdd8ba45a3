// The page of a run: its theme, its charts, the child that is clicked, and the table.
// Text of the run's only ever becomes text (textContent), never HTML.

const data = JSON.parse(document.getElementById("data").textContent);
const root = document.documentElement;

// ---- theme: the system's, until somebody switches
const system = window.matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);

function showTheme() {
  root.classList.toggle("dark", isDark());
  document.getElementById("theme").textContent = isDark() ? "Light" : "Dark";
}

document.getElementById("theme").addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  showTheme();
  drawCharts();
});
system.addEventListener("change", () => {
  showTheme();
  drawCharts();
});
showTheme();

function chartTheme() {
  const style = getComputedStyle(root);
  const colour = (name) => style.getPropertyValue(name).trim();
  const [ink, line] = [colour("--ink"), colour("--line")];
  const font = getComputedStyle(document.body).fontFamily;
  const words = { labelColor: ink, titleColor: ink, labelFontSize: 12, titleFontSize: 13 };
  return {
    background: "transparent",
    font,
    axis: { ...words, domainColor: line, gridColor: line, tickColor: line, titleFontWeight: 400 },
    legend: words,
    view: { stroke: "transparent" },
  };
}

// ---- charts
function withArchitecture(spec) {
  for (const part of spec.layer ?? [spec]) {
    for (const row of part.data.values) {
      if (row.trial !== undefined) row.architecture = data.trials[row.trial]?.short || "-";
    }
  }
  return spec;
}

async function drawCharts() {
  const config = chartTheme();
  const tooltip = { theme: isDark() ? "dark" : "light" };
  for (const place of document.querySelectorAll("[data-plot]")) {
    const plot = data.plots[place.dataset.plot];
    const spec = withArchitecture(plot.spec);
    const options = { mode: "vega-lite", renderer: "svg", actions: false, config, tooltip };
    const { view } = await vegaEmbed(place, spec, options);
    view.addEventListener("click", (event, item) => {
      if (item?.datum?.trial !== undefined) openChild(item.datum.trial);
    });
    place.dataset.drawn = "";
  }
  root.dataset.ready = "";
}

// ---- drawings of children
const pictures = new Map();

function pictureOf(svg) {
  if (!pictures.has(svg)) {
    const bytes = Uint8Array.from(atob(svg), (letter) => letter.charCodeAt(0));
    const opened = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    // As an image, in which no script runs.
    const made = new Response(opened).text().then((text) =>
      URL.createObjectURL(new Blob([text], { type: "image/svg+xml" })));
    pictures.set(svg, made);
  }
  return pictures.get(svg);
}

async function draw(place, trial, most, button) {
  const shown = (data.drawn[trial] ?? []).slice(0, most);
  const figures = await Promise.all(shown.map(async (picture) => {
    const image = document.createElement("img");
    const words = data.trials[trial].short;
    image.alt = `${picture.name} of trial ${trial}: ${words}`;
    image.src = await pictureOf(picture.svg);
    const figure = document.createElement("figure");
    if (!button) {
      figure.append(image);
      return figure;
    }
    const opener = document.createElement("button");
    opener.type = "button";
    opener.dataset.trial = trial;
    opener.append(image);
    figure.append(opener);
    return figure;
  }));
  place.replaceChildren(...figures);
}

// ---- the child that was clicked
const dialog = document.getElementById("child");
const numbers = Object.keys(data.trials).map(Number).sort((a, b) => a - b);
let current = null;

async function openChild(number) {
  const trial = data.trials[number];
  if (!trial) return;
  current = Number(number);
  document.getElementById("child-title").textContent =
    `Trial ${number}` + (trial.state === "complete" ? "" : `, ${trial.state}`);
  const metrics = trial.metrics.map(([name, value]) => {
    const [box, term, told] = ["div", "dt", "dd"].map((tag) => document.createElement(tag));
    term.textContent = name;
    told.textContent = value;
    box.append(term, told);
    return box;
  });
  document.getElementById("child-metrics").replaceChildren(...metrics);
  document.getElementById("child-error").textContent = trial.error;
  const lines = trial.words.map((line) => {
    const item = document.createElement("li");
    item.textContent = line;
    return item;
  });
  document.getElementById("child-words").replaceChildren(...lines);
  const place = document.getElementById("child-drawings");
  if (data.drawn[number]) {
    await draw(place, number);
  } else {
    place.textContent = "This trial is not drawn here: the page draws the best ones that have an architecture.";
  }
  const at = numbers.indexOf(current);
  document.getElementById("before").disabled = at === 0;
  document.getElementById("after").disabled = at === numbers.length - 1;
  for (const row of document.querySelectorAll("tr.open")) row.classList.remove("open");
  document.querySelector(`tr[data-row="${current}"]`)?.classList.add("open");
  if (!dialog.open) dialog.showModal();
}

function move(by) {
  const next = numbers[numbers.indexOf(current) + by];
  if (next !== undefined) openChild(next);
}

document.getElementById("before").addEventListener("click", () => move(-1));
document.getElementById("after").addEventListener("click", () => move(1));
document.getElementById("close").addEventListener("click", () => dialog.close());
dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close();
});
dialog.addEventListener("keydown", (event) => {
  if (event.key === "ArrowLeft") move(-1);
  if (event.key === "ArrowRight") move(1);
});
document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-trial]");
  if (opener) openChild(opener.dataset.trial);
});

// ---- the table
const table = document.getElementById("table");
const body = table.tBodies[0];
const filter = document.getElementById("filter");
const state = document.getElementById("state");

function compare(a, b) {
  const [x, y] = [Number(a), Number(b)];
  if (!Number.isNaN(x) && !Number.isNaN(y)) return x - y;
  return a < b ? -1 : a > b ? 1 : 0;
}

// Python writes what JavaScript calls Infinity as inf.
const valueIn = (row, column) =>
  row.cells[column].dataset.value.replace(/^(-?)inf$/, "$1Infinity");

table.tHead.addEventListener("click", (event) => {
  const button = event.target.closest("[data-column]");
  if (!button) return;
  const heading = button.closest("th");
  const down = heading.getAttribute("aria-sort") === "ascending";
  for (const other of table.tHead.querySelectorAll("th")) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", down ? "descending" : "ascending");
  const column = Number(button.dataset.column);
  const rows = [...body.rows].sort((one, other) => {
    const [a, b] = [valueIn(one, column), valueIn(other, column)];
    if (a === "" || b === "") return (a === "") - (b === ""); // what is not there comes last
    return (down ? -1 : 1) * compare(a, b);
  });
  body.append(...rows);
});

function filterRows() {
  const wanted = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const row of body.rows) {
    const text = row.textContent.toLowerCase();
    const fits = wanted.every((word) => text.includes(word));
    row.hidden = !fits || (state.value !== "" && row.dataset.state !== state.value);
    shown += row.hidden ? 0 : 1;
  }
  document.getElementById("count").textContent = `${shown} of ${body.rows.length} trials`;
}
filter.addEventListener("input", filterRows);
state.addEventListener("change", filterRows);
filterRows(); // a browser may remember what was typed

// ---- texts to copy
document.addEventListener("click", async (event) => {
  if (!event.target.matches(".copy")) return;
  const text = event.target.parentElement.querySelector("code");
  try {
    await navigator.clipboard.writeText(text.textContent);
    event.target.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(text); // where a page may not write to the clipboard
    event.target.textContent = "Selected";
  }
});

for (const place of document.querySelectorAll("[data-drawings]")) {
  draw(place, place.dataset.drawings, place.dataset.first === "true" ? undefined : 1, true);
}
await drawCharts();
