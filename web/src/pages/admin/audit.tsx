// Who did what, the latest first.
import { useInfiniteQuery } from "@tanstack/react-query";
import { answered, api, type Schemas } from "../../api/client.js";
import { useSession } from "../../session/session.js";
import { admin } from "../../text/admin.js";
import { dateAndTime } from "../../text/format.js";
import { useLanguage, useText } from "../../text/index.js";
import { Loading } from "../../ui/loading.js";
import { More } from "../../ui/more.js";
import { ErrorNotice } from "../../ui/notice.js";
import styles from "./admin.module.css";

export function AuditPart() {
  const text = useText(admin);
  const list = useInfiniteQuery({
    queryKey: ["audit"],
    queryFn: ({ pageParam }) => {
      const query = { limit: 20, ...(pageParam === null ? {} : { cursor: pageParam }) };
      return answered(api.GET("/api/audit", { params: { query } }));
    },
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.nextCursor ?? null,
    select: ({ pages }) => pages.flatMap((page): Schemas["AuditView"][] => page.items),
  });
  return (
    <section className={styles["part"]}>
      <h2 id="audit">{text.audit}</h2>
      {list.isPending && <Loading />}
      {list.error && <ErrorNotice error={list.error} retry={() => void list.refetch()} />}
      {list.data?.length === 0 && <p className={styles["about"]}>{text.noAudit}</p>}
      {list.data && list.data.length > 0 && <Entries entries={list.data} />}
      <More list={list} />
    </section>
  );
}

function Entries({ entries }: { entries: Schemas["AuditView"][] }) {
  const text = useText(admin);
  const language = useLanguage();
  return (
    // Narrow screens scroll it, by keyboard too.
    <div className={styles["scroll"]} role="region" aria-labelledby="audit" tabIndex={0}>
      <table className={styles["table"]}>
        <thead>
          <tr>
            <th scope="col">{text.when}</th>
            <th scope="col">{text.action}</th>
            <th scope="col">{text.actor}</th>
            <th scope="col">{text.target}</th>
          </tr>
        </thead>
        <tbody>
          {entries.map((entry) => (
            <tr key={entry.id}>
              <td>{dateAndTime(language, entry.at)}</td>
              <td>
                <code>{entry.action}</code>
                {entry.outcome && <span className={styles["wrong"]}> {entry.outcome}</span>}
              </td>
              <td>
                <Actor id={entry.actor ?? null} />
              </td>
              <td>
                <code>{short(entry.target ?? entry.roomId ?? "")}</code>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Actor({ id }: { id: string | null }) {
  const text = useText(admin);
  const { account } = useSession();
  if (id === null) return text.itself;
  return id === account?.id ? text.you : <code>{short(id)}</code>;
}

/** Ids begin with when they were made: their ends tell them apart. */
function short(id: string): string {
  return id.length > 12 ? `…${id.slice(-10)}` : id;
}
