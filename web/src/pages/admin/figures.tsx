// How much goes on, as figures and lines of the last minutes.
import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { ApiError, errorOf } from "../../api/error.js";
import { admin } from "../../text/admin.js";
import { useLanguage, useText } from "../../text/index.js";
import { ErrorNotice, Notice } from "../../ui/notice.js";
import styles from "./admin.module.css";
import { Line } from "./line.js";
import { figuresOf, type Figures } from "./metrics.js";

const RENEWED_MS = 5_000;
/** Ten minutes. */
const KEPT_MAX = 120;

export function FiguresPart() {
  const text = useText(admin);
  const { figures, error, retry } = useFigures();
  return (
    <section className={styles["part"]}>
      <h2>{text.now}</h2>
      <p className={styles["about"]}>{text.nowText}</p>
      {error && <ErrorNotice error={error} retry={retry} />}
      {figures === null && <Notice>{text.noWorker}</Notice>}
      {figures !== null && (!error || figures.length > 0) && <Tiles figures={figures} />}
    </section>
  );
}

function Tiles({ figures }: { figures: Figures[] }) {
  const text = useText(admin);
  const language = useLanguage();
  const last = figures.at(-1);
  const number = new Intl.NumberFormat(language, { maximumFractionDigits: 0 });
  const ms = new Intl.NumberFormat(language, {
    style: "unit",
    unit: "millisecond",
    maximumFractionDigits: 0,
  });
  const shown = (value: number | null | undefined, format: Intl.NumberFormat) =>
    value === null || value === undefined ? "–" : format.format(value);
  const tiles = [
    { name: "rooms", format: number },
    { name: "tracks", format: number },
    { name: "sockets", format: number },
    { name: "delay", format: ms },
  ] as const;
  return (
    <dl className={styles["tiles"]}>
      {tiles.map(({ name, format }) => {
        const of = (one: Figures) => (name === "delay" ? one.delayMs : one[name]);
        return (
          <div key={name}>
            <dt>{text[name]}</dt>
            <dd>{shown(last && of(last), format)}</dd>
            <dd aria-hidden="true">
              <Line values={figures.map((one) => of(one) ?? 0)} />
            </dd>
          </div>
        );
      })}
    </dl>
  );
}

/** Those since the page was opened; null where no worker runs. */
function useFigures() {
  const { data, dataUpdatedAt, error, refetch } = useQuery({
    queryKey: ["metrics"],
    queryFn: metrics,
    refetchInterval: RENEWED_MS,
  });
  const [kept, setKept] = useState<Figures[]>([]);
  useEffect(() => {
    if (data) setKept((before) => [...before, data].slice(-KEPT_MAX));
    // The same figures at another time are another point of the line.
  }, [data, dataUpdatedAt]);
  return { figures: data === null ? null : kept, error, retry: () => void refetch() };
}

async function metrics(): Promise<Figures | null> {
  const response = await fetch("/metrics").catch((cause: unknown) => {
    throw ApiError.unreachable(cause);
  });
  if (!response.ok) throw errorOf(response, await response.json().catch(() => null));
  return figuresOf(await response.text());
}
