// An error in the language that is shown.
import { useCallback } from "react";
import { ApiError } from "../api/error.js";
import { errors } from "./errors.js";
import { fill, useLanguage } from "./index.js";
import type { Language } from "./language.js";
import { rules } from "./rules.js";

/** Words any error: what happened and the remedy. */
export function useErrorText(): (error: unknown) => string {
  const language = useLanguage();
  return useCallback((error) => errorText(error, language), [language]);
}

/** What is not known here is told as the service tells it. */
export function errorText(error: unknown, language: Language): string {
  if (!(error instanceof ApiError)) return errors.INTERNAL?.[language] ?? String(error);
  if (error.code === "VALIDATION_FAILED") return ruleText(error, language);
  return errors[error.code]?.[language] ?? sentence(error.message);
}

/** A field's error by the rule that it breaks; what has no rule of its own is told in English, where that is read. */
function ruleText({ rule, message }: ApiError, language: Language): string {
  const known = rule === null || rule.name === "invalid" ? undefined : rules[rule.name];
  if (rule === null || known === undefined) {
    return language === "en" ? sentence(message) : sentence(rules["invalid"]?.[language] ?? message);
  }
  const text = known[language];
  const bound = (value: number | null) =>
    value === null ? "" : new Intl.NumberFormat(language).format(value);
  return fill(text, { minimum: bound(rule.minimum), limit: bound(rule.limit) });
}

function sentence(text: string): string {
  const whole = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(whole) ? whole : `${whole}.`;
}
