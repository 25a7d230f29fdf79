/** Calls back for a file that is chosen with an input. */
export const onChosen = (input: HTMLInputElement, take: (file: File) => void): void => {
  input.addEventListener("change", () => {
    const file = input.files?.[0];
    // Allows choosing the same file again.
    input.value = "";
    if (file) take(file);
  });
};

/** Calls back for a file that is dropped anywhere on the page; `zone` shows that it may be. */
export const onDropped = (zone: HTMLElement, take: (file: File) => void): void => {
  const show = (over: boolean): void => void zone.classList.toggle("over", over);
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    show(true);
  });
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) show(false);
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    show(false);
    const file = event.dataTransfer?.files[0];
    if (file) take(file);
  });
};
