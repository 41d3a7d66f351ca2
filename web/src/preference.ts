// What somebody chose in this browser, kept there.
import { useSyncExternalStore } from "react";

/** A choice that outlives the page; `fallback` until one is made, or where the browser keeps nothing. */
export class Preference<T extends string> {
  private listeners = new Set<() => void>();
  private chosen: T;

  constructor(
    private readonly key: string,
    private readonly choices: readonly T[],
    fallback: T,
  ) {
    this.chosen = this.kept() ?? fallback;
  }

  readonly current = (): T => this.chosen;

  choose(choice: T): void {
    this.chosen = choice;
    try {
      localStorage.setItem(this.key, choice);
    } catch {
      // A browser that keeps nothing forgets it with the page.
    }
    for (const listener of this.listeners) listener();
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  private kept(): T | undefined {
    try {
      const kept = localStorage.getItem(this.key);
      return this.choices.find((choice) => choice === kept);
    } catch {
      return undefined;
    }
  }
}

/** The choice as it is now, and how to change it. */
export function usePreference<T extends string>(preference: Preference<T>): [T, (choice: T) => void] {
  const current = useSyncExternalStore(preference.subscribe, preference.current);
  return [current, (choice) => preference.choose(choice)];
}
