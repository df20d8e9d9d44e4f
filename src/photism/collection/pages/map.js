const COLOURS = ["#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf"];
const data = JSON.parse(document.getElementById("points").textContent);
const points = data.points.map(([x, y, colour, name, file, times, source, start, end, problem]) =>
  ({ x, y, colour, name, file, times, source, start, end, problem, isFound: true }));
const canvas = document.getElementById("map"), pen = canvas.getContext("2d");
const audio = document.querySelector("audio"), note = document.querySelector(".problem");
let chosen = null, pointed = null, width = 0, height = 0;

const place = (point) => [20 + point.x * (width - 40), height - 20 - point.y * (height - 40)];
const radius = () => Math.max(3, Math.min(7, 200 / Math.sqrt(points.length)));

function resize() {
  width = canvas.clientWidth; height = canvas.clientHeight;
  const scale = window.devicePixelRatio || 1;
  canvas.width = width * scale; canvas.height = height * scale;
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  draw();
}

function disc(point, size) {
  const [x, y] = place(point);
  pen.beginPath(); pen.arc(x, y, size, 0, 2 * Math.PI); pen.fill();
  return [x, y];
}

function draw() {
  const ink = getComputedStyle(document.body).color;
  pen.clearRect(0, 0, width, height);
  for (const point of points) {
    pen.globalAlpha = point.isFound ? 0.85 : 0.1;
    pen.fillStyle = point.colour < 0 ? "#999" : COLOURS[point.colour];
    disc(point, radius());
  }
  pen.globalAlpha = 1;
  for (const point of [chosen, pointed]) {
    if (!point) continue;
    pen.fillStyle = point.colour < 0 ? "#999" : COLOURS[point.colour];
    const [x, y] = disc(point, radius() + 3);
    pen.strokeStyle = ink; pen.lineWidth = 2; pen.stroke();
    label(point, x, y, ink);
  }
}

function label(point, x, y, ink) {
  const words = [point.name, point.file.split("/").pop()].filter(Boolean).join(" – ").slice(0, 80);
  pen.font = "14px system-ui, sans-serif";
  const size = pen.measureText(words).width + 12;
  const left = Math.max(0, Math.min(width - size, x - size / 2)), top = y < 40 ? y + 14 : y - 36;
  pen.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--paper");
  pen.fillRect(left, top, size, 24);
  pen.strokeStyle = ink; pen.lineWidth = 1; pen.strokeRect(left, top, size, 24);
  pen.fillStyle = ink; pen.fillText(words, left + 6, top + 17);
}

function nearest(event) {
  const box = canvas.getBoundingClientRect();
  const [x, y] = [event.clientX - box.left, event.clientY - box.top];
  let best = null, least = 24;
  for (const point of points) {
    const [a, b] = place(point);
    const distance = Math.hypot(a - x, b - y);
    if (distance < least && point.isFound) { best = point; least = distance; }
  }
  return best;
}

function choose(point) {
  chosen = point; pointed = null;
  document.getElementById("name").textContent = point.name || point.file.split("/").pop();
  document.getElementById("times").textContent = point.times;
  document.getElementById("detail").textContent = point.file;
  note.textContent = point.problem; note.hidden = !point.problem;
  audio.pause();
  audio.dataset.start = point.start; audio.dataset.end = point.end ?? "";
  if (point.source) audio.src = point.source; else audio.removeAttribute("src");
  draw();
}

function towards(key) {
  const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[key];
  if (!chosen) return points.find((point) => point.isFound);
  let best = null, least = Infinity;
  for (const point of points) {
    const along = (point.x - chosen.x) * dx + (point.y - chosen.y) * dy;
    const across = Math.abs((point.x - chosen.x) * dy) + Math.abs((point.y - chosen.y) * dx);
    if (point !== chosen && point.isFound && along > 0 && along + 2 * across < least) { best = point; least = along + 2 * across; }
  }
  return best;
}

function find(words) {
  const wanted = words.trim().toLowerCase();
  for (const point of points) point.isFound = `${point.name} ${point.file}`.toLowerCase().includes(wanted);
  const count = points.filter((point) => point.isFound).length;
  document.getElementById("count").textContent = wanted ? `${count} of ${points.length}` : "";
  draw();
}

for (const [number, name] of data.names.entries()) {
  const key = document.createElement("button");
  key.textContent = name; key.style.borderColor = COLOURS[number];
  key.addEventListener("click", () => { document.getElementById("find").value = name; find(name); });
  document.getElementById("legend").append(key);
}
canvas.addEventListener("pointermove", (event) => { pointed = nearest(event); draw(); });
canvas.addEventListener("pointerleave", () => { pointed = null; draw(); });
canvas.addEventListener("click", (event) => { const point = nearest(event); if (point) { choose(point); toggle(audio); } });
canvas.addEventListener("keydown", (event) => {
  if (event.key.startsWith("Arrow")) { const point = towards(event.key); if (point) choose(point); event.preventDefault(); }
  if (event.key === " " || event.key === "Enter") { if (chosen && chosen.source) toggle(audio); event.preventDefault(); }
});
document.getElementById("find").addEventListener("input", (event) => find(event.target.value));
window.addEventListener("resize", resize);
resize();
