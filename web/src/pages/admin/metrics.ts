// Figures as Prometheus reads them, and what is made of them here.

interface Sample {
  name: string;
  labels: string;
  value: number;
}

/** What a process says of itself at one time. */
export interface Figures {
  rooms: number;
  tracks: number;
  sockets: number;
  /** Milliseconds that 95 of 100 captions stay below, since the process started; null before the first. */
  delayMs: number | null;
}

/** Null where no worker runs, which alone has these figures. */
export function figuresOf(text: string): Figures | null {
  const samples = samplesOf(text);
  const values = (name: string) => samples.filter((sample) => sample.name === name).map(({ value }) => value);
  const sum = (name: string) => values(name).reduce((total, value) => total + value, 0);
  if (values("lectern_rooms").length === 0) return null;
  const delay = quantile(samples, "lectern_caption_delay_seconds", 0.95);
  return {
    rooms: sum("lectern_rooms"),
    tracks: sum("lectern_tracks"),
    sockets: sum("lectern_stt_sockets"),
    delayMs: delay === null ? null : delay * 1000,
  };
}

/** The lines `name{labels} value` of the text format; comments and what is odd are left out. */
export function samplesOf(text: string): Sample[] {
  return text.split("\n").flatMap((line) => {
    const [, name, labels = "", value] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)/.exec(line) ?? [];
    const number = Number(value);
    return name === undefined || Number.isNaN(number) ? [] : [{ name, labels, value: number }];
  });
}

/** What a share of all values stays below, by a histogram's buckets; null while it is empty. */
export function quantile(samples: readonly Sample[], name: string, share: number): number | null {
  const buckets = samples
    .filter((sample) => sample.name === `${name}_bucket`)
    .map(({ labels, value }) => ({ limit: limitOf(labels), count: value }))
    .sort((one, other) => one.limit - other.limit);
  const total = buckets.at(-1)?.count ?? 0;
  if (total === 0) return null;
  const wanted = share * total;
  const index = buckets.findIndex(({ count }) => count >= wanted);
  const found = buckets[index];
  const below = buckets[index - 1] ?? { limit: 0, count: 0 };
  // Beyond the last limit nothing more is known.
  if (found === undefined || found.limit === Infinity) return below.limit;
  const part = (wanted - below.count) / (found.count - below.count);
  return below.limit + (found.limit - below.limit) * part;
}

function limitOf(labels: string): number {
  const limit = /le="([^"]*)"/.exec(labels)?.[1] ?? "+Inf";
  return limit === "+Inf" ? Infinity : Number(limit);
}
