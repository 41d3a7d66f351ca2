// What is typed, once nobody has typed for a moment: not every letter is worth a call.
import { useEffect, useState } from "react";

export function usePaused(typed: string): string {
  const [paused, setPaused] = useState(typed);
  useEffect(() => {
    const later = setTimeout(() => setPaused(typed), PAUSE_MS);
    return () => clearTimeout(later);
  }, [typed]);
  return paused;
}

const PAUSE_MS = 250;
