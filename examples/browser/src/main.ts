import type { Step } from "@kvtuner/tuning";
import { proxy, type Remote, wrap } from "comlink";
import type { Engine, EngineListener, Finish, GenerateRequest, TuneListener } from "./engine/engine.ts";
import type { RuntimeName } from "./engine/runtime.ts";
import { bundledModel, bundledPrompt, bundledText } from "./page/bundled-model.ts";
import { onChosen, onDropped } from "./page/chosen-file.ts";
import { exampleFor, exampleIn } from "./page/example-prompt.ts";
import { browserChoices } from "./page/kernel-choices.ts";
import { findPage } from "./page/page.ts";
import { showFigures } from "./page/show-figures.ts";
import { type Reply, transcriptIn } from "./page/transcript.ts";

const page = findPage();
const transcript = transcriptIn(page.transcript);
// Off the page's thread, so that the page can scroll, draw and stop.
const worker = new Worker(new URL("./engine/worker.ts", import.meta.url), { type: "module", name: "kvtuner" });
const engine: Remote<Engine> = wrap<Engine>(worker);
// A worker has no localStorage.
void engine.remember(proxy(browserChoices));

/** The text of a chosen plan.json. The input shows its name until someone types there. */
let planFile: string | undefined;

const STEPS = { load: "Loading the weights", prefill: "Reading the prompt" } as const;

const ENDS: Readonly<Record<Finish, string>> = {
  stop: "The model ended its text.",
  length: "Stopped at the maximum number of tokens.",
  context: "Stopped where the model's context ends.",
  interrupted: "Stopped.",
};

const TUNE_STEPS: Readonly<Partial<Record<Step, string>>> = {
  load: "Loading the weights",
  profile: "Measuring each pair in each layer",
  trace: "Measuring the errors of each layer",
  search: "Evaluating plans",
};

const showExample = exampleIn(page.prompt);

let isBusy = false;

/** Runs one action at a time and shows its errors. Ignores a file dropped meanwhile. */
const busy = async (what: string, work: () => Promise<string>, status = page.status): Promise<void> => {
  if (isBusy) return;
  isBusy = true;
  const controls = [page.generate, page.tune, page.embedded, page.modelFile, page.clear];
  const before = controls.map(({ disabled }) => disabled);
  for (const control of controls) control.disabled = true;
  page.error.hidden = true;
  status.textContent = what;
  try {
    status.textContent = await work();
  } catch (error) {
    status.textContent = "";
    page.error.textContent = error instanceof Error ? error.message : String(error);
    page.error.hidden = false;
  } finally {
    isBusy = false;
    page.progress.hidden = page.tuneProgress.hidden = true;
    for (const [index, control] of controls.entries()) control.disabled = before[index] ?? false;
  }
};

const openModel = async (name: string, read: () => Promise<Blob>, example?: () => Promise<string>): Promise<void> => {
  let opened = false;
  await busy(`Opening ${name} ...`, async () => {
    const { name: title, architecture, layers, contextLength, canChat } = await engine.open(await read());
    page.model.textContent = `${title}: ${architecture}, ${layers} layers, trained for ${contextLength} tokens.`;
    page.chat.disabled = !canChat;
    page.chat.checked = canChat;
    page.cache.hidden = true;
    transcript.clear();
    showExample(await (example?.() ?? exampleFor(canChat)));
    opened = true;
    return "";
  });
  if (!opened) return;
  page.generate.disabled = false;
  // Only the bundled model comes with a calibration text.
  page.tune.disabled = example === undefined;
};

const openBundled = (): Promise<void> => openModel("the small model", bundledModel, bundledPrompt);

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
  onText: (text, figures) => {
    page.status.textContent = "Generating ...";
    reply.add(text);
    showFigures(page, figures);
  },
});

const generate = async (): Promise<void> => {
  const prompt = page.prompt.value;
  page.stop.disabled = false;
  await busy("Starting ...", async () => {
    const generation = request(prompt);
    const reply = transcript.begin(prompt);
    const finish = await engine.generate(generation, proxy(listener(reply)));
    if (page.chat.checked) {
      reply.keep();
      page.prompt.value = "";
    }
    return ENDS[finish];
  });
  page.stop.disabled = true;
};

const tuneListener: TuneListener = {
  onProgress: (step, done, total) => {
    page.tuneStatus.textContent = `${TUNE_STEPS[step] ?? step}: ${done} of ${total}`;
    page.tuneProgress.hidden = false;
    page.tuneProgress.max = total;
    page.tuneProgress.value = done;
  },
};

/** Shows the report, and uses the plan from now on. */
const showTuned = (plan: string, report: string): void => {
  page.report.srcdoc = report;
  page.report.hidden = false;
  planFile = plan;
  page.plan.value = "the tuned plan";
};

const tune = async (): Promise<void> => {
  page.stopTuning.disabled = false;
  const work = async (): Promise<string> => {
    const numbers = { bits: page.bits.valueAsNumber, evaluations: page.evaluations.valueAsNumber };
    const tuned = await engine.tune({ ...numbers, text: await bundledText() }, proxy(tuneListener));
    if (tuned === undefined) return "Tuning stopped. Tune again to resume.";
    showTuned(tuned.plan, tuned.report);
    return "Tuned. Generate uses the tuned plan.";
  };
  await busy("Starting ...", work, page.tuneStatus);
  page.stopTuning.disabled = true;
};

const firstModel = openBundled();

/** A file that arrives before the page has opened its own model waits for that. */
const takeFile = (file: File): void => void firstModel.then(() => openModel(file.name, async () => file));

onDropped(page.drop, takeFile);
onChosen(page.modelFile, takeFile);
page.embedded.addEventListener("click", () => void openBundled());
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
page.tuneForm.addEventListener("submit", (event) => {
  event.preventDefault();
  void tune();
});
page.stop.addEventListener("click", () => void engine.stop());
page.stopTuning.addEventListener("click", () => void engine.stop());
page.clear.addEventListener("click", () => transcript.clear());
