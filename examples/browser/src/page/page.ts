/** All elements of the page that the program reads or writes. */
export interface Page {
  readonly drop: HTMLElement;
  readonly modelFile: HTMLInputElement;
  readonly embedded: HTMLButtonElement;
  readonly model: HTMLElement;
  readonly plan: HTMLInputElement;
  readonly planFile: HTMLInputElement;
  readonly runtime: HTMLSelectElement;
  readonly transcript: HTMLElement;
  readonly form: HTMLFormElement;
  readonly prompt: HTMLTextAreaElement;
  readonly chat: HTMLInputElement;
  readonly maxTokens: HTMLInputElement;
  readonly temperature: HTMLInputElement;
  readonly generate: HTMLButtonElement;
  readonly stop: HTMLButtonElement;
  readonly clear: HTMLButtonElement;
  readonly status: HTMLElement;
  readonly progress: HTMLProgressElement;
  readonly error: HTMLElement;
  readonly tuneForm: HTMLFormElement;
  readonly bits: HTMLInputElement;
  readonly evaluations: HTMLInputElement;
  readonly tune: HTMLButtonElement;
  readonly stopTuning: HTMLButtonElement;
  readonly tuneStatus: HTMLElement;
  readonly tuneProgress: HTMLProgressElement;
  readonly report: HTMLIFrameElement;
  readonly cache: HTMLElement;
  readonly summary: HTMLElement;
  readonly parts: HTMLElement;
}

/** Finds the elements of index.html. */
export const findPage = (): Page => ({
  drop: find("drop", HTMLElement),
  modelFile: find("model-file", HTMLInputElement),
  embedded: find("embedded", HTMLButtonElement),
  model: find("model", HTMLElement),
  plan: find("plan", HTMLInputElement),
  planFile: find("plan-file", HTMLInputElement),
  runtime: find("runtime", HTMLSelectElement),
  transcript: find("transcript", HTMLElement),
  form: find("form", HTMLFormElement),
  prompt: find("prompt", HTMLTextAreaElement),
  chat: find("chat", HTMLInputElement),
  maxTokens: find("max-tokens", HTMLInputElement),
  temperature: find("temperature", HTMLInputElement),
  generate: find("generate", HTMLButtonElement),
  stop: find("stop", HTMLButtonElement),
  clear: find("clear", HTMLButtonElement),
  status: find("status", HTMLElement),
  progress: find("progress", HTMLProgressElement),
  error: find("error", HTMLElement),
  tuneForm: find("tune-form", HTMLFormElement),
  bits: find("bits", HTMLInputElement),
  evaluations: find("evaluations", HTMLInputElement),
  tune: find("tune", HTMLButtonElement),
  stopTuning: find("stop-tuning", HTMLButtonElement),
  tuneStatus: find("tune-status", HTMLElement),
  tuneProgress: find("tune-progress", HTMLProgressElement),
  report: find("report", HTMLIFrameElement),
  cache: find("cache", HTMLElement),
  summary: find("summary", HTMLElement),
  parts: find("parts", HTMLElement),
});

const find = <Kind extends HTMLElement>(id: string, kind: new () => Kind): Kind => {
  const element = document.getElementById(id);
  if (element instanceof kind) return element;
  throw new Error(`expected a ${kind.name} with the id ${id} in index.html, found ${element?.tagName ?? "none"}`);
};
