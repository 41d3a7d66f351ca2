// Streams of server-sent events, taken up again where they broke off.

/** Whether a stream runs; `away` says that it is being taken up again. */
export type StreamState = "open" | "away";

/** What to do with each kind of event (its data, parsed) and when the stream comes and goes. */
export interface Listener {
  on: Record<string, (data: unknown) => void>;
  state?: (state: StreamState) => void;
}

/**
 * Listens at `url` until what it returns is called. The browser sends its cookies along, and where it left off. A stream
 * that the service ended is opened anew and tells its history again: handlers have to bear what they know already.
 */
export function listen(url: string, { on, state }: Listener): () => void {
  let source: EventSource;
  let again: ReturnType<typeof setTimeout> | undefined;
  let attempts = 0;

  const open = () => {
    source = new EventSource(url);
    source.onopen = () => {
      attempts = 0;
      state?.("open");
    };
    source.onerror = () => {
      state?.("away");
      // Browsers try again by themselves unless the service refused; then it is for us, and not at once.
      if (source.readyState !== EventSource.CLOSED) return;
      again = setTimeout(open, waitBefore(attempts++));
    };
    for (const [kind, handle] of Object.entries(on)) {
      source.addEventListener(kind, (event: MessageEvent<string>) => {
        handle(JSON.parse(event.data));
      });
    }
  };

  open();
  return () => {
    clearTimeout(again);
    source.close();
  };
}

/** Milliseconds before the next attempt: a second, then twice as long each time, half a minute at most. */
export function waitBefore(attempt: number): number {
  return Math.min(1000 * 2 ** attempt, 30_000);
}
