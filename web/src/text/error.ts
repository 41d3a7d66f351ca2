// An error in the language that is shown.
import { useCallback } from "react";
import { ApiError } from "../api/error.js";
import { errors } from "./errors.js";
import { useLanguage } from "./index.js";
import type { Language } from "./language.js";

/** Words any error: what happened and the remedy. */
export function useErrorText(): (error: unknown) => string {
  const language = useLanguage();
  return useCallback((error) => errorText(error, language), [language]);
}

/** What is not known here is told as the service tells it. */
export function errorText(error: unknown, language: Language): string {
  if (!(error instanceof ApiError)) return errors.INTERNAL?.[language] ?? String(error);
  return errors[error.code]?.[language] ?? sentence(error.message);
}

function sentence(text: string): string {
  const whole = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(whole) ? whole : `${whole}.`;
}
