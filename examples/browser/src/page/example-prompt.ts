/** Prompts for models that know a natural language. */
const ANSWERED = "Write two sentences about the sea.";
const CONTINUED = "The lighthouse keeper opened the door and";

/** Shows an example prompt until someone writes another one. */
export const exampleIn = (prompt: HTMLTextAreaElement): ((example: string) => void) => {
  let shown = "";
  return (example) => {
    if (prompt.value === shown) prompt.value = example;
    shown = example;
  };
};

/** An example for a model that was dropped on the page. */
export const exampleFor = (canChat: boolean): string => (canChat ? ANSWERED : CONTINUED);
