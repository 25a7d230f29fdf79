import embeddedModel from "@kvtuner/embedded-model/model.gguf?url";
import { proxy, type Remote, wrap } from "comlink";

import type { Engine, EngineListener, Finish, GenerateRequest } from "./engine/engine.ts";
import type { Figures } from "./engine/figures.ts";
import type { RuntimeName } from "./engine/runtime.ts";
import { onChosen, onDropped } from "./page/chosen-file.ts";
import { browserChoices } from "./page/kernel-choices.ts";
import { findPage } from "./page/page.ts";
import { showFigures } from "./page/show-figures.ts";
import { type Reply, transcriptIn } from "./page/transcript.ts";

const page = findPage();
const transcript = transcriptIn(page.transcript);
// Off the page's own thread, which so stays free to scroll, to draw and to stop.
const worker = new Worker(new URL("./engine/worker.ts", import.meta.url), { type: "module", name: "kvtuner" });
const engine: Remote<Engine> = wrap<Engine>(worker);
// A worker has no localStorage.
void engine.remember(proxy(browserChoices));

/** The text of a chosen plan.json, whose name the input shows until someone types there. */
let planFile: string | undefined;

const STEPS = { load: "Loading the weights", prefill: "Reading the prompt" } as const;

const ENDS: Readonly<Record<Finish, string>> = {
  stop: "The model ended its text.",
  length: "Stopped at the most tokens.",
  context: "Stopped where the model's context ends.",
  interrupted: "Stopped.",
};

let isBusy = false;

/** Runs one thing at a time; what goes wrong is told. A file that is dropped meanwhile is left alone. */
const busy = async (what: string, work: () => Promise<string>): Promise<void> => {
  if (isBusy) return;
  isBusy = true;
  const controls = [page.generate, page.embedded, page.modelFile, page.clear];
  const before = controls.map(({ disabled }) => disabled);
  for (const control of controls) control.disabled = true;
  page.error.hidden = true;
  page.status.textContent = what;
  try {
    page.status.textContent = await work();
  } catch (error) {
    page.status.textContent = "";
    page.error.textContent = error instanceof Error ? error.message : String(error);
    page.error.hidden = false;
  } finally {
    isBusy = false;
    page.progress.hidden = true;
    for (const [index, control] of controls.entries()) control.disabled = before[index] ?? false;
  }
};

const openModel = async (name: string, read: () => Promise<Blob>): Promise<void> => {
  let opened = false;
  await busy(`Opening ${name} ...`, async () => {
    const { name: title, architecture, layers, contextLength, canChat } = await engine.open(await read());
    page.model.textContent = `${title}: ${architecture}, ${layers} layers, trained for ${contextLength} tokens.`;
    page.chat.disabled = !canChat;
    page.chat.checked = canChat;
    page.cache.hidden = true;
    transcript.clear();
    opened = true;
    return "";
  });
  if (opened) page.generate.disabled = false;
};

const fetchEmbedded = async (): Promise<Blob> => {
  const response = await fetch(embeddedModel);
  if (!response.ok) throw new Error(`expected the small model at ${embeddedModel}, got status ${response.status}`);
  return response.blob();
};

const request = (prompt: string): GenerateRequest => ({
  runtime: page.runtime.value as RuntimeName,
  plan: planFile ?? page.plan.value,
  prompt: page.chat.checked ? [...transcript.messages, { role: "user", content: prompt }] : prompt,
  maxTokens: page.maxTokens.valueAsNumber,
  temperature: page.temperature.valueAsNumber,
});

const listener = (reply: Reply): EngineListener => ({
  onProgress: (step, done, total) => {
    page.status.textContent = `${STEPS[step]} ...`;
    page.progress.hidden = done === total;
    page.progress.max = total;
    page.progress.value = done;
  },
  onText: (text: string, figures: Figures) => {
    page.status.textContent = "Generating ...";
    reply.add(text);
    showFigures(page, figures);
  },
});

const generate = async (): Promise<void> => {
  const prompt = page.prompt.value;
  page.stop.disabled = false;
  await busy("Starting ...", async () => {
    const asked = request(prompt);
    const reply = transcript.begin(prompt);
    const finish = await engine.generate(asked, proxy(listener(reply)));
    if (page.chat.checked) {
      reply.keep();
      page.prompt.value = "";
    }
    return ENDS[finish];
  });
  page.stop.disabled = true;
};

onDropped(page.drop, (file) => void openModel(file.name, async () => file));
onChosen(page.modelFile, (file) => void openModel(file.name, async () => file));
page.embedded.addEventListener("click", () => void openModel("the small model", fetchEmbedded));
onChosen(page.planFile, (file) => {
  void busy(`Reading ${file.name} ...`, async () => {
    planFile = await file.text();
    page.plan.value = file.name;
    return "";
  });
});
page.plan.addEventListener("input", () => {
  planFile = undefined;
});
page.form.addEventListener("submit", (event) => {
  event.preventDefault();
  void generate();
});
page.stop.addEventListener("click", () => void engine.stop());
page.clear.addEventListener("click", () => transcript.clear());
