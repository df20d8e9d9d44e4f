"use strict";
// Play the segment of a player only, one player at a time.
for (const audio of document.querySelectorAll("audio")) preparePlayer(audio);

function preparePlayer(audio) {
  const limit = () => (audio.dataset.end ? Number(audio.dataset.end) : Infinity);
  const start = () => Number(audio.dataset.start || 0);
  audio.addEventListener("play", () => {
    for (const other of document.querySelectorAll("audio")) if (other !== audio) other.pause();
    if (audio.currentTime < start() - 0.05 || audio.currentTime >= limit() - 0.05) audio.currentTime = start();
  });
  audio.addEventListener("timeupdate", () => {
    if (!audio.paused && audio.currentTime >= limit()) { audio.pause(); audio.currentTime = start(); }
  });
  audio.addEventListener("error", () => {
    const note = audio.parentElement.querySelector(".problem");
    if (note) { note.textContent = "This browser cannot play the file, or the file is missing."; note.hidden = false; }
  });
}

function toggle(audio) {
  if (!audio) return;
  if (audio.paused) audio.play().catch(() => {}); else audio.pause();
}
