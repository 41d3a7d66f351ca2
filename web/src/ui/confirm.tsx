// A question before something that is not done lightly.
import type { ReactNode } from "react";
import { shell } from "../text/shell.js";
import { useText } from "../text/index.js";
import { Button, type Look } from "./button.js";
import { Actions, Dialog } from "./dialog.js";
import type { IconName } from "./icon.js";
import { ErrorNotice } from "./notice.js";

interface Props {
  title: string;
  /** What happens then. */
  children: ReactNode;
  /** The word for doing it. */
  action: string;
  icon?: IconName;
  look?: Look;
  error: Error | null;
  isPending: boolean;
  onConfirm: () => void;
  onClose: () => void;
}

export function Confirm({
  title,
  children,
  action,
  icon = "bin",
  look = "danger",
  error,
  isPending,
  onConfirm,
  onClose,
}: Props) {
  const text = useText(shell);
  return (
    <Dialog title={title} onClose={onClose}>
      {error && <ErrorNotice error={error} />}
      <p>{children}</p>
      <Actions>
        <Button onClick={onClose} autoFocus>
          {text.cancel}
        </Button>
        <Button look={look} icon={icon} pending={isPending} onClick={onConfirm}>
          {action}
        </Button>
      </Actions>
    </Dialog>
  );
}
