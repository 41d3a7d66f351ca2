// Whether everything answers that the service needs.
import { useQuery } from "@tanstack/react-query";
import { ApiError, errorOf } from "../../api/error.js";
import { admin } from "../../text/admin.js";
import { useText } from "../../text/index.js";
import { Badge } from "../../ui/badge.js";
import { Loading } from "../../ui/loading.js";
import { ErrorNotice } from "../../ui/notice.js";
import styles from "./admin.module.css";

interface Check {
  name: string;
  ok: boolean;
  reason?: string | null;
}

interface Told {
  checks?: Check[];
  error?: { details?: { checks?: Check[] } };
}

const RENEWED_MS = 10_000;

export function HealthPart() {
  const text = useText(admin);
  const health = useQuery({ queryKey: ["health"], queryFn: checks, refetchInterval: RENEWED_MS });
  return (
    <section className={styles["part"]}>
      <h2>{text.health}</h2>
      {health.isPending && <Loading />}
      {health.error && <ErrorNotice error={health.error} retry={() => void health.refetch()} />}
      <ul className={styles["checks"]}>
        {health.data?.map((check) => (
          <li key={check.name}>
            <Badge tone={check.ok ? "live" : "warning"}>{check.ok ? text.right : text.wrong}</Badge>
            <strong>{check.name}</strong>
            <span>{check.reason}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** The same list, whether the service is ready or says in the form of errors why it is not. */
async function checks(): Promise<Check[]> {
  const response = await fetch("/readyz").catch((cause: unknown) => {
    throw ApiError.unreachable(cause);
  });
  const body = (await response.json().catch(() => null)) as Told | null;
  const told = body?.checks ?? body?.error?.details?.checks;
  if (told === undefined) throw errorOf(response, body);
  return told;
}
