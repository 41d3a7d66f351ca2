// Whether the background is blurred, and how that goes.
import { blur as texts } from "../text/blur.js";
import { useText } from "../text/index.js";
import { Button } from "../ui/button.js";
import { Check } from "../ui/field.js";
import { Notice } from "../ui/notice.js";
import type { BlurState } from "./background-blur.js";

interface Props {
  isOn: boolean;
  onChange: (isOn: boolean) => void;
  isSwitching?: boolean;
  /** Null where there is no camera to blur. */
  state: BlurState | null;
  onRetry: () => void;
}

export function BlurChoice({ isOn, isSwitching = false, onChange, state, onRetry }: Props) {
  const text = useText(texts);
  return (
    <>
      <Check
        label={text.blur}
        checked={isOn}
        disabled={isSwitching}
        onChange={(event) => onChange(event.target.checked)}
      />
      {state === "preparing" && <p role="status">{text.preparing}</p>}
      {(state === "failed" || state === "unsupported") && (
        <Notice tone="error">
          <p>{text[state]}</p>
          {state === "failed" && <Button onClick={onRetry}>{text.retry}</Button>}
        </Notice>
      )}
      {state === "slow" && <Notice tone="warning">{text.slow}</Notice>}
    </>
  );
}
