// Every text can be read on what it stands on, by day and by night: WCAG 2.2 AA wants 4.5 to 1.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { SPEAKER_COLOURS, speakerColour, initials } from "../src/ui/speaker.js";

const css = readFileSync("src/style/tokens.css", "utf8");
const pairs = new Map(
  Array.from(css.matchAll(/--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)/g), ([, name, light, dark]) => [
    name ?? "",
    [light ?? "", dark ?? ""] as const,
  ]),
);

const speakers = Array.from({ length: SPEAKER_COLOURS }, (_, index) => `speaker-${index}`);
const grounds = ["ground", "surface", "sunken"];
const onGrounds = [
  "ink",
  "ink-muted",
  "accent",
  "accent-strong",
  "danger",
  "warning",
  "success",
  ...speakers,
];
const onOthers: [string, string][] = [
  ["on-accent", "accent"],
  ["on-accent", "accent-strong"],
  ["ink", "accent-soft"],
  ["ink", "danger-soft"],
  ["ink", "warning-soft"],
  ["ink", "highlight"],
  ["danger", "danger-soft"],
  ["warning", "warning-soft"],
  ["success", "success-soft"],
  ["ground", "ink"],
];

test("texts stand out from their grounds", () => {
  const all = [...onOthers, ...onGrounds.flatMap((text) => grounds.map((ground) => [text, ground] as const))];
  for (const [text, ground] of all) assertContrast(text, ground, 4.5);
});

test("borders of what is filled in stand out from their grounds", () => {
  for (const ground of grounds) assertContrast("line-strong", ground, 3);
});

test("a speaker has one colour everywhere, and speakers have different ones", () => {
  assert.equal(speakerColour("user-ada"), speakerColour("user-ada"));
  const colours = new Set(Array.from({ length: 200 }, (_, index) => speakerColour(`guest-${index}`)));
  assert.equal(colours.size, SPEAKER_COLOURS);
});

test("initials are of the first and the last name", () => {
  assert.deepEqual(["Ada", "ada king lovelace", "", "李 明", "😀 x"].map(initials), [
    "A",
    "AL",
    "",
    "李明",
    "😀X",
  ]);
});

function assertContrast(text: string, ground: string, least: number): void {
  for (const theme of [0, 1] as const) {
    const [one, other] = [colourOf(text, theme), colourOf(ground, theme)].map(luminance) as [number, number];
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    assert.ok(
      contrast >= least,
      `--${text} on --${ground}: ${contrast.toFixed(2)} (${theme ? "dark" : "light"})`,
    );
  }
}

function colourOf(name: string, theme: 0 | 1): string {
  const pair = pairs.get(name);
  assert.ok(pair, `--${name} is missing`);
  return pair[theme];
}

function luminance(colour: string): number {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
