// The frame of a page: where one is, where one can go, and the page itself.
import { useEffect, useRef, type ReactNode } from "react";
import { Link, useLocation } from "wouter";
import { useSession, type Account } from "../session/session.js";
import { useText } from "../text/index.js";
import { shell } from "../text/shell.js";
import { AccountMenu } from "./account-menu.js";
import { ButtonLink } from "./button.js";
import { Loading } from "./loading.js";
import { Notice } from "./notice.js";
import { useOnline } from "./online.js";
import styles from "./page.module.css";
import { PreferencesMenu } from "./preferences-menu.js";

interface Props {
  title: string;
  /** What stands beside the title: the page's main action. */
  action?: ReactNode;
  /** What stands above the title: the way back. */
  above?: ReactNode;
  width?: Width | undefined;
  children: ReactNode;
}

/** `reading` keeps lines short; `form` is a column in the middle. */
type Width = "wide" | "reading" | "form";

export function Page({ title, action, above, width, children }: Props) {
  const text = useText(shell);
  const isOnline = useOnline();
  const heading = useTitle(title);
  return (
    <Frame width={width} tools={<Tools />}>
      {!isOnline && <Notice tone="warning">{text.offline}</Notice>}
      {above}
      <div className={styles["title"]}>
        <h1 ref={heading} tabIndex={-1}>
          {title}
        </h1>
        {action}
      </div>
      {children}
    </Frame>
  );
}

/** A page that is on its way. Its frame is there already, but no menus: those would shut once the page is there. */
export function PageLoading() {
  return (
    <Frame>
      <Loading />
    </Frame>
  );
}

interface FrameProps {
  width?: Width | undefined;
  tools?: ReactNode;
  children: ReactNode;
}

function Frame({ width = "wide", tools, children }: FrameProps) {
  const text = useText(shell);
  const { account } = useSession();
  return (
    <>
      <a href="#content" className={styles["skip"]}>
        {text.skip}
      </a>
      <header className={styles["header"]}>
        <Link href="/" className={styles["brand"]}>
          <img src="/icon.svg" alt="" width="28" height="28" />
          Lectern
        </Link>
        {account && <Navigation account={account} />}
        {tools}
      </header>
      <main id="content" className={`${styles["main"]} ${styles[width]}`}>
        {children}
      </main>
    </>
  );
}

function Tools() {
  const { account } = useSession();
  return (
    <div className={styles["tools"]}>
      <PreferencesMenu />
      {account && <AccountMenu account={account} />}
      {account === null && <LogInLink />}
    </div>
  );
}

function Navigation({ account }: { account: Account }) {
  const text = useText(shell);
  const [path] = useLocation();
  const pages = [
    ["/", text.rooms],
    ["/live", text.live],
    ["/lectures", text.lectures],
    ...(account.role === "ADMIN" ? [["/admin", text.admin] as const] : []),
  ] as const;
  return (
    <nav className={styles["navigation"]} aria-label={text.navigation}>
      {pages.map(([to, name]) => (
        <Link key={to} href={to} aria-current={place(path, to)}>
          {name}
        </Link>
      ))}
    </nav>
  );
}

/** Whether a link leads to this page, or to the one above it. */
function place(path: string, to: string): "page" | "true" | undefined {
  if (path === to) return "page";
  return to !== "/" && path.startsWith(`${to}/`) ? "true" : undefined;
}

function LogInLink() {
  const text = useText(shell);
  const [path] = useLocation();
  if (["/login", "/register", "/setup"].includes(path)) return null;
  return <ButtonLink to="/login">{text.logIn}</ButtonLink>;
}

/** Names the browser's tab, and takes the focus to the heading where a link led here. */
function useTitle(title: string) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = title === "Lectern" ? title : `${title} · Lectern`;
  }, [title]);
  useEffect(() => {
    // Whatever a form focused by itself keeps the focus.
    const isFree = document.activeElement === null || document.activeElement === document.body;
    if (isFree) heading.current?.focus({ preventScroll: true });
  }, []);
  return heading;
}
