// What is shown in place of a page that failed, as when its script could not be fetched.
import { Component, type ReactNode } from "react";
import { useText } from "../text/index.js";
import { shell } from "../text/shell.js";
import { Button } from "./button.js";
import { Empty } from "./empty.js";

export class Broken extends Component<{ children: ReactNode }, { isBroken: boolean }> {
  override state = { isBroken: false };

  static getDerivedStateFromError() {
    return { isBroken: true };
  }

  override render() {
    return this.state.isBroken ? <BrokenPage /> : this.props.children;
  }
}

function BrokenPage() {
  const text = useText(shell);
  return (
    <main>
      <Empty title={text.brokenTitle}>
        <p>{text.brokenText}</p>
        <Button look="primary" onClick={() => location.reload()}>
          {text.reload}
        </Button>
      </Empty>
    </main>
  );
}
