import model from "@kvtuner/embedded-model/model.gguf?url";
import recall from "@kvtuner/embedded-model/tasks/recall-24.jsonl?url";
import calibration from "@kvtuner/embedded-model/text/calibration.txt?url";

const fetched = async (url: string): Promise<Response> => {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`this page cannot load ${url} (status ${response.status}); reload it`);
  return response;
};

/** The page's own model. */
export const bundledModel = async (): Promise<Blob> => (await fetched(model)).blob();

/** A text like the one it was trained on, for tuning. */
export const bundledText = async (): Promise<string> => (await fetched(calibration)).text();

/** A prompt that it answers well; it knows no natural language. */
export const bundledPrompt = async (): Promise<string> => {
  const [line = ""] = (await (await fetched(recall)).text()).split("\n");
  return (JSON.parse(line) as { prompt: string }).prompt;
};
