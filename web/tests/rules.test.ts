import assert from "node:assert/strict";
import test from "node:test";
import { ApiError, errorOf } from "../src/api/error.js";
import { errorText } from "../src/text/error.js";
import { languages } from "../src/text/language.js";
import { rules } from "../src/text/rules.js";

function refused(details: object): ApiError {
  const error = { code: "VALIDATION_FAILED", message: "title: it is wrong", details };
  return errorOf(new Response(null, { status: 422 }), { success: false, error, requestId: "1" });
}

test("a field that breaks a rule is told in every language, with its bounds", () => {
  const error = refused({ field: "title", rule: "tooLong", limit: 1200 });
  assert.equal(error.field, "title");
  assert.equal(errorText(error, "en"), "This is too long. Write at most 1,200 characters.");
  for (const language of languages) {
    for (const rule of Object.keys(rules)) {
      const text = errorText(refused({ field: "title", rule, minimum: 3, limit: 7 }), language);
      assert.ok(!/[{}]/.test(text), text);
      const says = rules[rule]?.[language] ?? "";
      assert.equal(text.includes("3"), says.includes("{minimum}"), text);
      assert.equal(text.includes("7"), says.includes("{limit}"), text);
    }
  }
});

test("a rule that is new to the pages is told in the service's words where English is read", () => {
  for (const details of [
    { field: "title" },
    { field: "title", rule: "new" },
    { field: "title", rule: "invalid" },
  ]) {
    assert.equal(errorText(refused(details), "en"), "Title: it is wrong.");
    assert.match(errorText(refused(details), "ru"), /Проверьте/);
  }
});
