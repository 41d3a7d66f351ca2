// What is shown in place of a page that failed, as when its script could not be fetched.
import { Component, type ReactNode } from "react";
import { useText } from "../text/index.js";
import { shell } from "../text/shell.js";
import { Button } from "./button.js";
import { Empty } from "./empty.js";
import { PageNotFetched } from "./lazy-page.js";
import { Page } from "./page.js";

interface State {
  error: unknown;
}

export class Broken extends Component<{ children: ReactNode }, State> {
  override state: State = { error: null };

  static getDerivedStateFromError(error: unknown): State {
    return { error };
  }

  override render() {
    const { error } = this.state;
    if (error === null) return this.props.children;
    return error instanceof PageNotFetched ? <NotFetched /> : <BrokenPage />;
  }
}

/** What leads to other pages still works: their scripts may be here. */
function NotFetched() {
  const text = useText(shell);
  return (
    <Page title={text.notFetchedTitle} width="form">
      <p role="alert">{text.notFetchedText}</p>
      <Reload />
    </Page>
  );
}

/** Without the frame: it may be what broke. */
function BrokenPage() {
  const text = useText(shell);
  return (
    <main>
      <Empty title={text.brokenTitle}>
        <p>{text.brokenText}</p>
        <Reload />
      </Empty>
    </main>
  );
}

function Reload() {
  const text = useText(shell);
  return (
    <Button look="primary" onClick={() => location.reload()}>
      {text.reload}
    </Button>
  );
}
