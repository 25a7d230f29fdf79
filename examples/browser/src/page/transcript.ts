import type { ChatMessage } from "@kvtuner/decoder";

/** The conversation on the page. */
export interface Transcript {
  /** The conversation so far, for a model that answers one. */
  readonly messages: readonly ChatMessage[];
  /** Shows a prompt, and returns an element for the text that follows. */
  begin(prompt: string): Reply;
  clear(): void;
}

/** A text that grows. */
export interface Reply {
  add(text: string): void;
  /** Adds prompt and text to the conversation. */
  keep(): void;
}

/** A transcript in an element of the page. */
export const transcriptIn = (element: HTMLElement): Transcript => {
  let messages: readonly ChatMessage[] = [];
  return {
    get messages() {
      return messages;
    },
    begin: (prompt) => {
      element.hidden = false;
      paragraph(element, "prompt", prompt);
      const reply = paragraph(element, "reply", "");
      return {
        add: (text) => {
          reply.append(text);
          element.scrollTop = element.scrollHeight;
        },
        keep: () => {
          messages = [
            ...messages,
            { role: "user", content: prompt },
            { role: "assistant", content: reply.textContent ?? "" },
          ];
        },
      };
    },
    clear: () => {
      messages = [];
      element.replaceChildren();
      element.hidden = true;
    },
  };
};

const paragraph = (parent: HTMLElement, className: string, text: string): HTMLElement => {
  const element = document.createElement("p");
  element.className = className;
  element.textContent = text;
  parent.append(element);
  return element;
};
