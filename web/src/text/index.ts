// What pages say. Each area's file holds every text in all languages side by side: one that is missing is a type error.
import { useMemo } from "react";
import { Preference, usePreference } from "../preference.js";
import type { Counted } from "./format.js";
import { bestLanguage, languages, type Language } from "./language.js";

/** Texts by name; each is a string, or the words for a number of something, in every language. */
export type Area = Record<string, Record<Language, string> | Record<Language, Counted>>;

/** An area in one language. */
export type Texts<A extends Area> = { [Name in keyof A]: A[Name][Language] };

export const language = new Preference<Language>("lectern.language", languages, ofBrowser());

/** The language that is shown. */
export function useLanguage(): Language {
  return usePreference(language)[0];
}

/** An area's texts in the language that is shown. */
export function useText<A extends Area>(area: A): Texts<A> {
  const shown = useLanguage();
  return useMemo(() => textsIn(area, shown), [area, shown]);
}

/** An area's texts in a language. */
export function textsIn<A extends Area>(area: A, shown: Language): Texts<A> {
  const texts = Object.entries(area).map(([name, text]) => [name, text[shown]]);
  return Object.fromEntries(texts) as Texts<A>;
}

/** A text with what varies put in: `fill("Hello, {name}", { name })`. */
export function fill(text: string, given: Record<string, string>): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => given[name] ?? whole);
}

/** Tells browsers and screen readers which language this is. */
export function followLanguage(): void {
  const apply = () => {
    document.documentElement.lang = language.current();
  };
  apply();
  language.subscribe(apply);
}

function ofBrowser(): Language {
  return bestLanguage(typeof navigator === "undefined" ? [] : navigator.languages);
}
