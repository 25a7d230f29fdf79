// A thread of the kernels. Plain JavaScript without imports: tools/build-kernels.mjs embeds it as text, and it is started
// from that text in Node and in browsers alike. What the words of `control` mean is in control.ts, which sends `words`.
const port = typeof require === "function" ? require("node:worker_threads").parentPort : globalThis;

/** Kernels by the number of their arena. */
const kernels = new Map();
let control;
let words;
let lane;
let mailRead = 0;

/** Number of a task that nobody else has, -1 when there is none for this thread. */
const claim = () => {
  for (;;) {
    const state = Atomics.load(control, words.state);
    const left = state & words.leftMask;
    if (left === 0 || !kernels.has(control[words.arena])) return -1;
    if (Atomics.compareExchange(control, words.state, state, state - 1) === state) return control[words.tasks] - left;
  }
};

const runTask = (task) => {
  const c = control;
  const at = words.firstTask + task * words.taskWords;
  const scratch = c[words.scratch] + lane * c[words.scratchStep];
  const run = kernels.get(c[words.arena])[words.kernels[c[words.kernel]]];
  run(scratch, c[at], c[at + 1], c[at + 2], c[at + 3], c[at + 4], c[at + 5], c[at + 6], c[at + 7]);
};

const fail = (error) => {
  if (Atomics.compareExchange(control, words.failed, 0, 1) !== 0) return;
  const text = String(error).slice(0, words.failureLength);
  for (let index = 0; index < text.length; index++) control[words.failure + index] = text.charCodeAt(index);
  control[words.failure + text.length] = 0;
};

const runClaimed = (task) => {
  try {
    runTask(task);
  } catch (error) {
    fail(error);
  }
  const tasks = control[words.tasks];
  if (Atomics.add(control, words.done, 1) + 1 === tasks) Atomics.notify(control, words.done);
};

/** Works until there is mail, which only the event loop brings. */
const work = () => {
  for (;;) {
    for (let task = claim(); task >= 0; task = claim()) runClaimed(task);
    const state = Atomics.load(control, words.state);
    if (Atomics.load(control, words.mail) !== mailRead) return;
    const until = performance.now() + words.spinMs;
    while (Atomics.load(control, words.state) === state)
      if (performance.now() > until) {
        Atomics.wait(control, words.state, state);
        break;
      }
  }
};

const read = ({ start, add, remove }) => {
  if (start) ({ control, words, lane } = start);
  for (const { id, module, memory } of add ?? [])
    kernels.set(id, new WebAssembly.Instance(module, { env: { memory } }).exports);
  for (const id of remove ?? []) kernels.delete(id);
};

port.addEventListener("message", ({ data }) => {
  mailRead++;
  try {
    read(data);
    port.postMessage({});
  } catch (error) {
    port.postMessage({ error: String(error) });
  }
  work();
});
port.start?.();
