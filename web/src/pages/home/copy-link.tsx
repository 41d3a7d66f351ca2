// A room's invitation link, to be handed on.
import { useState } from "react";
import { rooms } from "../../text/rooms.js";
import { useText } from "../../text/index.js";
import { Button } from "../../ui/button.js";
import { Dialog } from "../../ui/dialog.js";
import { Field } from "../../ui/field.js";
import { toast } from "../../ui/toast.js";
import { joinPath } from "./link.js";

export function CopyLink({ code }: { code: string }) {
  const text = useText(rooms);
  // Only pages that came by TLS, or from this machine, may copy.
  const [isShown, setShown] = useState(false);
  const link = new URL(joinPath(code), location.href).href;
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(link);
      toast(text.copied);
    } catch {
      setShown(true);
    }
  };
  return (
    <>
      <Button icon="copy" onClick={() => void copy()}>
        {text.copyLink}
      </Button>
      {isShown && (
        <Dialog title={text.copyLink} onClose={() => setShown(false)}>
          <Field
            label={text.copyFailed}
            value={link}
            readOnly
            autoFocus
            onFocus={(event) => event.currentTarget.select()}
          />
        </Dialog>
      )}
    </>
  );
}
