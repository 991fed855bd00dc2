// Classifies pictures in this page by onnxruntime-web: no server, no other file, one thread.
// Model and runtime stand in the page as base64, in blocks that no browser runs.
"use strict";

(() => {
  const TOP = 5;
  const MOST_ANSWERS = 100;
  // A picture of more pixels is drawn smaller first: a tensor of it would not fit a phone.
  const MOST_PIXELS = 16 * 1024 * 1024;
  const facts = JSON.parse(document.getElementById("model-facts").textContent);
  const element = (id) => document.getElementById(id);
  const status = element("status");
  let session = null;
  // Each waits for the one before it, and the first for the model.  The browser shows the page
  // before it is busy with that.
  let queue = new Promise((resolve) => setTimeout(resolve, 0))
    .then(load)
    .catch((error) => say(`The model cannot be loaded: ${error.message || error}.`, true));

  function say(text, isError = false) {
    status.textContent = text;
    status.classList.toggle("error", isError);
  }

  // The bytes of the blocks with this name; the blocks are removed, to give their memory back.
  function embedded(name) {
    const blocks = [...document.querySelectorAll(`script[data-part="${name}"]`)];
    const pieces = blocks.map((block) => {
      const text = atob(block.textContent);
      block.remove();
      const bytes = new Uint8Array(text.length);
      for (let place = 0; place < text.length; place += 1) bytes[place] = text.charCodeAt(place);
      return bytes;
    });
    const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
    let end = 0;
    for (const piece of pieces) {
      whole.set(piece, end);
      end += piece.length;
    }
    return whole;
  }

  async function load() {
    ort.env.wasm.numThreads = 1;
    ort.env.wasm.wasmBinary = embedded("wasm").buffer;
    const glue = new Blob([embedded("glue")], { type: "text/javascript" });
    ort.env.wasm.wasmPaths = { mjs: URL.createObjectURL(glue) };
    ort.env.logLevel = "error";
    session = await ort.InferenceSession.create(embedded("model"), { executionProviders: ["wasm"] });
    element("files").disabled = false;
    element("camera").disabled = !navigator.mediaDevices;
    say("Ready. Choose a picture, drop one, or use the camera.");
  }

  // R,G,B of a picture on white, (height, width, 3).
  function pixelsOf(source, width, height) {
    const scale = Math.min(1, Math.sqrt(MOST_PIXELS / (width * height)));
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.round(width * scale));
    canvas.height = Math.max(1, Math.round(height * scale));
    const context = canvas.getContext("2d", { willReadFrequently: true, colorSpace: "srgb" });
    context.fillStyle = "#fff";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.imageSmoothingQuality = "high";
    context.drawImage(source, 0, 0, canvas.width, canvas.height);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    const pixels = new Uint8Array(canvas.width * canvas.height * 3);
    for (let from = 0, to = 0; from < data.length; from += 4, to += 3) {
      pixels[to] = data[from];
      pixels[to + 1] = data[from + 1];
      pixels[to + 2] = data[from + 2];
    }
    return new ort.Tensor("uint8", pixels, [canvas.height, canvas.width, 3]);
  }

  // The best categories of a picture: [label, score], the best first.
  async function classified(source, width, height) {
    const results = await session.run({ image: pixelsOf(source, width, height) });
    const scores = Array.from(results[session.outputNames[0]].data);
    const order = scores.map((_, index) => index).sort((a, b) => scores[b] - scores[a] || a - b);
    return order.slice(0, TOP).map((index) => [facts.labels[index], scores[index]]);
  }

  function showPredictions(list, best) {
    const rows = best.map(([label, score]) => {
      const row = document.createElement("li");
      row.dataset.label = label;
      row.dataset.score = score;
      const name = document.createElement("span");
      name.textContent = label;
      const number = document.createElement("span");
      number.className = "number";
      number.textContent = facts.isProbability ? `${(100 * score).toFixed(2)} %` : score.toPrecision(6);
      if (facts.isProbability) {
        const bar = document.createElement("div");
        bar.className = "bar";
        bar.style.width = `${100 * score}%`;
        row.append(bar);
      }
      row.append(name, number);
      return row;
    });
    list.replaceChildren(...rows);
  }

  function addAnswer(file) {
    const answer = document.createElement("li");
    answer.className = "answer";
    answer.dataset.name = file.name;
    const picture = document.createElement("img");
    picture.alt = "";
    picture.src = URL.createObjectURL(file);
    const words = document.createElement("div");
    const title = document.createElement("h2");
    title.textContent = file.name;
    words.append(title);
    answer.append(picture, words);
    const answers = element("answers");
    answers.prepend(answer);
    while (answers.children.length > MOST_ANSWERS) {
      URL.revokeObjectURL(answers.lastElementChild.querySelector("img").src);
      answers.lastElementChild.remove();
    }
    return words;
  }

  async function answerFor(file) {
    const words = addAnswer(file);
    try {
      // Upright as the camera was held, and the values of the file, whatever colours it claims.
      const bitmap = await createImageBitmap(file, {
        imageOrientation: "from-image",
        colorSpaceConversion: "none",
      });
      const list = document.createElement("ol");
      list.className = "predictions";
      list.setAttribute("aria-label", `Predictions for ${file.name}, the best first`);
      showPredictions(list, await classified(bitmap, bitmap.width, bitmap.height));
      bitmap.close();
      words.append(list);
    } catch (error) {
      const problem = document.createElement("p");
      problem.className = "error";
      problem.textContent = `This file cannot be read as a picture (${error.message || error}).`;
      words.append(problem);
    }
  }

  function classifyFiles(files) {
    for (const file of files) queue = queue.then(() => session && answerFor(file));
  }

  // The camera ----------------------------------------------------------------------------------

  const video = element("video");

  function stopCamera() {
    for (const track of video.srcObject?.getTracks() ?? []) track.stop();
    video.srcObject = null;
    element("live").hidden = true;
    element("camera").textContent = "Use the camera";
  }

  async function startCamera() {
    // While the browser asks, a second click would start a camera that nothing stops.
    element("camera").disabled = true;
    try {
      video.srcObject = await navigator.mediaDevices.getUserMedia({
        video: { facingMode: { ideal: "environment" } },
      });
    } catch (error) {
      say(`The camera cannot be used (${error.name}). Allow it in the browser's settings of this page.`, true);
      return;
    } finally {
      element("camera").disabled = false;
    }
    element("live").hidden = false;
    element("camera").textContent = "Stop the camera";
    await video.play();
    watch();
  }

  function watch() {
    if (!video.srcObject) return;
    queue = queue.then(async () => {
      if (!video.srcObject || !video.videoWidth) return;
      try {
        showPredictions(element("live-predictions"), await classified(video, video.videoWidth, video.videoHeight));
      } catch (error) {
        // What is chosen after this still has its turn.
        stopCamera();
        say(`The camera's picture cannot be classified (${error.message || error}).`, true);
      }
    });
    queue.then(() => requestAnimationFrame(watch));
  }

  // What people do --------------------------------------------------------------------------------

  element("files").addEventListener("change", (event) => {
    classifyFiles(event.target.files);
    event.target.value = "";
  });
  element("camera").addEventListener("click", () => (video.srcObject ? stopCamera() : startCamera()));
  document.addEventListener("paste", (event) => classifyFiles(event.clipboardData.files));
  for (const kind of ["dragenter", "dragover"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      element("drop").classList.add("over");
    });
  }
  for (const kind of ["dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      element("drop").classList.remove("over");
    });
  }
  document.addEventListener("drop", (event) => classifyFiles(event.dataTransfer.files));

  for (const [name, value] of facts.about) {
    const term = document.createElement("dt");
    const words = document.createElement("dd");
    term.textContent = name;
    words.textContent = value;
    element("facts").append(term, words);
  }
})();
