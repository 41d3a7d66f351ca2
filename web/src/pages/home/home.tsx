// The first page: one's rooms, or, for who is not logged in, the ways in.
import { Suspense } from "react";
import { useSession } from "../../session/session.js";
import { useText } from "../../text/index.js";
import { shell } from "../../text/shell.js";
import { lazyPage } from "../../ui/lazy-page.js";
import { ErrorNotice } from "../../ui/notice.js";
import { Page, PageLoading } from "../../ui/page.js";
import { Welcome } from "./welcome.js";

const MyRooms = lazyPage(() => import("./my-rooms.js"));

export function HomePage() {
  const text = useText(shell);
  const { account, error, retry } = useSession();
  if (error) {
    return (
      <Page title={text.rooms}>
        <ErrorNotice error={error} retry={retry} />
      </Page>
    );
  }
  if (account === undefined) return <PageLoading />;
  return account === null ? (
    <Welcome />
  ) : (
    <Suspense fallback={<PageLoading />}>
      <MyRooms account={account} />
    </Suspense>
  );
}
