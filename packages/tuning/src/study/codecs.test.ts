import { expect, test } from "vitest";
import { searchedCodecs, settingName } from "./codecs.ts";

const namesOf = (...names: string[]): string[] => searchedCodecs(names).settings.map(settingName);

test("the first words of settings stand for all that begin so, each once", () => {
  const levels = [2, 2.5, 3, 3.5, 4].map((bits) => `transform:channels ${bits}`);
  expect(namesOf("transform:channels")).toEqual(levels);
  expect(namesOf("transform:channels 3", "transform:channels").toSorted()).toEqual(levels.toSorted());
});

test("a setting's whole name stands for it alone, though others begin with it", () => {
  expect(namesOf("palu:30%")).toEqual(["palu:30%"]);
  expect(namesOf("fp8:fp8")).toEqual(["fp8:fp8"]);
});
