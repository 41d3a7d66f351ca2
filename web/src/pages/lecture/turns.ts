// A transcript as it is read: who spoke, and what they said until somebody else did.

/** As the service tells a piece of speech; only what is needed here. */
export interface Spoken {
  id: string;
  identity: string;
  name: string;
  startMs: number;
  endMs: number;
  text: string;
}

/** Speech without words. */
export interface Gap {
  identity: string;
  name: string;
  startMs: number;
  endMs: number;
  reason: string;
}

/** What one person said in a row, or that words are missing. */
export type Turn<S extends Spoken> = { kind: "said"; segments: [S, ...S[]] } | { kind: "gap"; gap: Gap };

/** Turns in order of time. One ends where another speaks, where a chapter begins, after a silence, and when it is long. */
export function turnsOf<S extends Spoken>(
  segments: readonly S[],
  gaps: readonly Gap[],
  chapters: readonly { startMs: number }[],
): Turn<S>[] {
  const turns: Turn<S>[] = [];
  const open = [...gaps].sort((one, other) => one.startMs - other.startMs);
  for (const segment of segments) {
    while (open[0] !== undefined && open[0].startMs <= segment.startMs) {
      turns.push({ kind: "gap", gap: open.shift() as Gap });
    }
    const last = turns.at(-1);
    if (last?.kind === "said" && goesOn(last.segments, segment, chapters)) last.segments.push(segment);
    else turns.push({ kind: "said", segments: [segment] });
  }
  return turns.concat(open.map((gap) => ({ kind: "gap", gap })));
}

function goesOn<S extends Spoken>(
  turn: [S, ...S[]],
  next: S,
  chapters: readonly { startMs: number }[],
): boolean {
  const [first, last] = [turn[0], turn.at(-1) ?? turn[0]];
  return (
    first.identity === next.identity &&
    next.startMs - last.endMs <= SILENCE_MS &&
    next.startMs - first.startMs <= TURN_MS_MAX &&
    !chapters.some(({ startMs }) => startMs > last.startMs && startMs <= next.startMs)
  );
}

const SILENCE_MS = 8_000;
const TURN_MS_MAX = 60_000;

/** The first piece of speech at or after a time; the last one where there is none. */
export function segmentAt<S extends Spoken>(segments: readonly S[], ms: number): S | undefined {
  return segments.find((segment) => segment.startMs >= ms) ?? segments.at(-1);
}
