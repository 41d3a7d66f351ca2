// Pages for who is logged in: others log in first, and come back.
import type { ReactNode } from "react";
import { Redirect, useLocation, useSearch } from "wouter";
import { loginPath } from "../pages/login/next.js";
import { shell } from "../text/shell.js";
import { useText } from "../text/index.js";
import { ErrorNotice } from "../ui/notice.js";
import { Page, PageLoading } from "../ui/page.js";
import { useSession } from "./session.js";

export function SignedIn({ children }: { children: ReactNode }) {
  const text = useText(shell);
  const { account, error, retry } = useSession();
  const [path] = useLocation();
  const search = useSearch();
  if (account) return children;
  if (account === null) return <Redirect to={loginPath(search ? `${path}?${search}` : path)} replace />;
  if (!error) return <PageLoading />;
  return (
    <Page title={text.account}>
      <ErrorNotice error={error} retry={retry} />
    </Page>
  );
}
