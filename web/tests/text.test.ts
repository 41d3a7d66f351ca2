import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import test from "node:test";
import { ApiError, errorOf } from "../src/api/error.js";
import { errorText } from "../src/text/error.js";
import { counted, duration, size, timecode } from "../src/text/format.js";
import { fill, textsIn, type Area } from "../src/text/index.js";
import { bestLanguage, languages } from "../src/text/language.js";
import { hasAll, matchesOf, pieces } from "../src/text/marked.js";
import { spokenLanguages } from "../src/text/spoken.js";

test("the first language that we have is chosen", () => {
  const cases: [string[], string][] = [
    [["de-DE", "ru-RU", "en"], "ru"],
    [["zh-TW"], "zh-Hant"],
    [["zh-Hant-CN"], "zh-Hant"],
    [["zh-Hans-HK"], "zh-Hans"],
    [["zh-CN"], "zh-Hans"],
    [["zh"], "zh-Hans"],
    [["EN-gb"], "en"],
    [["fr"], "en"],
    [[], "en"],
  ];
  for (const [wanted, expected] of cases) assert.equal(bestLanguage(wanted), expected, wanted.join());
});

test("texts have the same places to fill in every language, and none is empty", async () => {
  for (const area of await areas()) {
    for (const [name, text] of Object.entries(area)) {
      const places = languages.map((language) => {
        const words = text[language];
        const whole = typeof words === "string" ? words : words.other;
        assert.notEqual(whole.trim(), "", name);
        return Array.from(whole.matchAll(/\{\w+\}/g), String)
          .sort()
          .join();
      });
      assert.equal(new Set(places).size, 1, `${name}: ${places.join(" ")}`);
    }
  }
});

async function areas(): Promise<Area[]> {
  const names = readdirSync("node_modules/.tests/src/text").filter((name) => name.endsWith(".js"));
  const modules = await Promise.all(
    names.map((name) => import(`../src/text/${name}`) as Promise<Record<string, unknown>>),
  );
  const found = modules.flatMap(Object.values).filter(isArea);
  assert.ok(found.length >= 6, "areas are found");
  return found;
}

function isArea(value: unknown): value is Area {
  const first: unknown = typeof value === "object" && value !== null ? Object.values(value)[0] : null;
  return typeof first === "object" && first !== null && "zh-Hant" in first;
}

test("an area's texts are of one language, filled with what is given and nothing else", () => {
  const area = {
    hello: { en: "Hello, {name}", ru: "Привет, {name}", "zh-Hans": "{name}", "zh-Hant": "{name}" },
  };
  assert.equal(fill(textsIn(area, "ru").hello, { name: "{name} $&" }), "Привет, {name} $&");
  assert.equal(fill("{missing}", {}), "{missing}");
});

test("numbers take the form of their words", () => {
  const words = { one: "{n} участник", few: "{n} участника", many: "{n} участников", other: "{n} участника" };
  const forms = [1, 3, 5, 21, 111].map((number) => counted("ru", number, words));
  assert.deepEqual(forms, ["1 участник", "3 участника", "5 участников", "21 участник", "111 участников"]);
});

test("times and sizes are short", () => {
  assert.deepEqual([0, 65_000, 3_723_999].map(timecode), ["0:00", "1:05", "1:02:03"]);
  assert.deepEqual(
    [4_000, 59_600, 90_000, 3_600_000, 5_520_000].map((ms) => duration("en", ms)),
    ["4 sec", "1 min", "2 min", "1 hr", "1 hr 32 min"],
  );
  assert.deepEqual(
    [0, 999, 3_400_000, 5e12].map((bytes) => size("en", bytes)),
    ["0 byte", "999 byte", "3.4 MB", "5,000 GB"],
  );
});

test("what was looked for is marked where it stands, once", () => {
  assert.deepEqual(
    pieces("abcdef", [
      { start: 1, end: 2 },
      { start: 1, end: 3 },
      { start: 4, end: 9 },
      { start: 3, end: 4 },
    ]),
    [
      { text: "a", isMatch: false },
      { text: "b", isMatch: true },
      { text: "c", isMatch: false },
      { text: "d", isMatch: true },
      { text: "ef", isMatch: false },
    ],
  );
  assert.deepEqual(pieces("", []), []);
});

test("words are found in any case, and none has another meaning", () => {
  assert.deepEqual(matchesOf("Emma said: EMMA.", "emma"), [
    { start: 0, end: 4 },
    { start: 11, end: 15 },
  ]);
  assert.deepEqual(matchesOf("a.c abc", "a.c"), [{ start: 0, end: 3 }]);
  assert.deepEqual(matchesOf("anything", " "), []);
  assert.deepEqual(matchesOf("能量守恒", "守恒"), [{ start: 2, end: 4 }]);
  assert.ok(matchesOf("x]-[(", "]-[ (").length > 0);
  assert.ok(hasAll("Emma and Harriet", "harriet EMM"));
  assert.ok(!hasAll("Emma", "emma harriet"));
});

test("errors are told in one's language, and as the service words them where we have no words", () => {
  const told = new ApiError("ROOM_NOT_FOUND", "there is no such room");
  assert.match(errorText(told, "ru"), /комнаты нет/);
  assert.equal(errorText(new ApiError("WEBHOOK_FULL", "too much waits"), "ru"), "Too much waits.");
  assert.match(errorText(new TypeError("x is undefined"), "en"), /on our side/);
});

test("an answer that is not the service's own is told apart", () => {
  const body = {
    success: false,
    error: { code: "RATE_LIMITED", message: "too many", details: { field: "email" } },
    requestId: "7",
  };
  const known = errorOf(new Response(null, { status: 429, headers: { "retry-after": "12" } }), body);
  assert.deepEqual(
    [known.code, known.field, known.retryAfter, known.requestId],
    ["RATE_LIMITED", "email", 12, "7"],
  );
  const strange = errorOf(new Response(null, { status: 502 }), "<html>");
  assert.deepEqual([strange.code, strange.retryAfter], ["STRANGE", null]);
});

test("a language that is none of the usual stays to be chosen", () => {
  assert.ok(spokenLanguages("en", "").some(({ tag, name }) => tag === "de" && name === "German"));
  assert.ok(spokenLanguages("ru", "cy").some(({ tag }) => tag === "cy"));
});
