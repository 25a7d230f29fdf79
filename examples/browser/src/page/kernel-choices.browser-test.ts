import { afterEach, expect, test } from "vitest";
import { browserChoices } from "./kernel-choices.ts";

afterEach(() => localStorage.clear());

test("the browser stores the fastest kernels, and keeps its other data", () => {
  localStorage.setItem("a", "of something else");
  expect(browserChoices.get("a")).toBeNull();
  browserChoices.set("a", "f32-packed");
  expect(browserChoices.get("a")).toBe("f32-packed");
  expect(localStorage.getItem("a")).toBe("of something else");
});
