// What one can do, in one row: the most needed in sight, the rest behind one button.
import { useState } from "react";

import { room as texts } from "../../text/room.js";
import { fill, useText } from "../../text/index.js";
import { Button } from "../../ui/button.js";
import { Actions, Dialog } from "../../ui/dialog.js";
import { Glyph, type GlyphName } from "../../ui/glyph.js";
import { MediaToggle } from "../../ui/media-toggle.js";
import { CaptionSettings } from "../../captions/settings-dialog.js";
import type { CameraBlur } from "./blur.js";
import styles from "./controls.module.css";
import { moderate } from "./deeds.js";
import { DeviceDialog } from "./device-dialog.js";
import type { Deed } from "./keys.js";
import type { Guard } from "./meeting.js";
import type { Tab } from "./panel.js";
import { Popover } from "./popover.js";
import { EMOJI } from "./reactions.js";
import type { View } from "./stage.js";

interface Props {
  deeds: Record<Deed, () => void>;
  state: {
    isMicrophoneEnabled: boolean;
    isCameraEnabled: boolean;
    isScreenShareEnabled: boolean;
    isHandUp: boolean;
    areCaptionsOn: boolean;
    view: View;
    tab: Tab | null;
  };
  /** Whether one may speak and show oneself. */
  canPublish: boolean;
  unread: number;
  waiting: number;
  onTab: (tab: Tab) => void;
  onReact: (emoji: string) => void;
  isHost: boolean;
  roomId: string;
  onLeave: () => void;
  isCaptioned: boolean;
  blur: CameraBlur;
  onBlur: (isOn: boolean) => void;
  onLanguage: (tag: string) => void;
  guard: Guard;
}

export function Controls({
  deeds,
  state,
  canPublish,
  unread,
  waiting,
  onTab,
  onReact,
  isHost,
  roomId,
  onLeave,
  isCaptioned,
  blur,
  onBlur,
  onLanguage,
  guard,
}: Props) {
  const text = useText(texts);
  const [dialog, setDialog] = useState<"captions" | "devices" | "leave" | null>(null);
  const canShare = canPublish && typeof navigator.mediaDevices?.getDisplayMedia === "function";
  return (
    <footer className={styles.controls} aria-label={text.controls}>
      {canPublish ? (
        <>
          <MediaToggle
            kind="microphone"
            isOn={state.isMicrophoneEnabled}
            label={state.isMicrophoneEnabled ? text.mute : text.unmute}
            onToggle={deeds.microphone}
          />
          <MediaToggle
            kind="camera"
            isOn={state.isCameraEnabled}
            label={state.isCameraEnabled ? text.cameraOff : text.cameraOn}
            onToggle={deeds.camera}
          />
        </>
      ) : (
        <span className={styles.listening}>{text.onlyListening}</span>
      )}
      {canShare && (
        <Control
          glyph="screen"
          label={state.isScreenShareEnabled ? text.stopScreen : text.shareScreen}
          isOn={state.isScreenShareEnabled}
          onPress={deeds.screen}
          place="wide"
        />
      )}
      <Control
        glyph="hand"
        label={state.isHandUp ? text.lowerHand : text.raiseHand}
        isOn={state.isHandUp}
        onPress={deeds.hand}
      />
      <Popover glyph="smile" label={text.reactions} place="wide">
        <EmojiRow onReact={onReact} />
      </Popover>
      <Control
        glyph="captions"
        label={state.areCaptionsOn ? text.hideCaptions : text.showCaptions}
        isOn={state.areCaptionsOn}
        onPress={deeds.captions}
      />
      <Control
        glyph="transcript"
        label={text.transcript}
        isOn={state.tab === "transcript"}
        onPress={deeds.transcript}
        place="wide"
      />
      <Control
        glyph="chat"
        label={text.chat}
        isOn={state.tab === "chat"}
        count={unread}
        countLabel={fill(text.unread, { count: String(unread) })}
        onPress={deeds.chat}
      />
      <PeopleControl
        label={text.people}
        isOn={state.tab === "people"}
        waiting={waiting}
        onPress={deeds.people}
      />
      <Popover glyph={null} label={text.more}>
        <ul className={styles.more}>
          {canShare && (
            <MoreItem onPress={deeds.screen} place="narrow">
              {state.isScreenShareEnabled ? text.stopScreen : text.shareScreen}
            </MoreItem>
          )}
          <MoreItem onPress={deeds.transcript} place="narrow">
            {text.transcript}
          </MoreItem>
          <li className={styles.emojiRow}>
            <EmojiRow onReact={onReact} />
          </li>
          <MoreItem onPress={() => onTab("files")}>{text.files}</MoreItem>
          <MoreItem onPress={deeds.layout}>
            {state.view === "grid" ? text.speakerView : text.gridView}
          </MoreItem>
          <MoreItem onPress={() => setDialog("captions")}>{text.captionSettings}</MoreItem>
          {canPublish && <MoreItem onPress={() => setDialog("devices")}>{text.devices}</MoreItem>}
          <MoreItem onPress={deeds.help} place="wide">
            {text.shortcuts}
          </MoreItem>
        </ul>
      </Popover>
      <button
        type="button"
        className={styles.leave}
        onClick={() => (isHost ? setDialog("leave") : onLeave())}
      >
        <Glyph name="leave" />
        <span>{text.leave}</span>
      </button>
      {dialog === "captions" && <CaptionSettings onClose={() => setDialog(null)} />}
      {dialog === "devices" && (
        <DeviceDialog
          blur={blur}
          onBlur={onBlur}
          isCaptioned={isCaptioned}
          onLanguage={onLanguage}
          onClose={() => setDialog(null)}
        />
      )}
      {dialog === "leave" && (
        <Dialog title={text.leaveTitle} onClose={() => setDialog(null)}>
          <p>{text.leaveText}</p>
          <Actions>
            <Button look="danger" onClick={() => guard(moderate(roomId, "end"))}>
              {text.endForAll}
            </Button>
            <Button look="primary" onClick={onLeave}>
              {text.justLeave}
            </Button>
          </Actions>
        </Dialog>
      )}
    </footer>
  );
}

function EmojiRow({ onReact }: { onReact: (emoji: string) => void }) {
  const text = useText(texts);
  return (
    <div className={styles.emoji}>
      {EMOJI.map((emoji) => (
        <button
          key={emoji}
          type="button"
          aria-label={`${text.react} ${emoji}`}
          onClick={() => onReact(emoji)}
        >
          {emoji}
        </button>
      ))}
    </div>
  );
}

interface ControlProps {
  glyph: GlyphName;
  label: string;
  isOn: boolean;
  onPress: () => void;
  /** Where it is to be seen: what is not on a phone is behind "more" there. */
  place?: "wide";
  count?: number;
  countLabel?: string;
}

function Control({ glyph, label, isOn, onPress, place, count = 0, countLabel }: ControlProps) {
  return (
    <button
      type="button"
      className={styles.control}
      aria-label={count > 0 ? `${label}, ${countLabel}` : label}
      title={label}
      aria-pressed={isOn}
      data-place={place}
      onClick={onPress}
    >
      <Glyph name={glyph} />
      {count > 0 && <span className={styles.count}>{count > 99 ? "99+" : count}</span>}
    </button>
  );
}

function PeopleControl({
  label,
  isOn,
  waiting,
  onPress,
}: {
  label: string;
  isOn: boolean;
  waiting: number;
  onPress: () => void;
}) {
  const text = useText(texts);
  return (
    <Control
      glyph="people"
      label={label}
      isOn={isOn}
      count={waiting}
      countLabel={fill(text.peopleWait, { count: String(waiting) })}
      onPress={onPress}
    />
  );
}

function MoreItem({
  onPress,
  place,
  children,
}: {
  onPress: () => void;
  place?: "wide" | "narrow";
  children: React.ReactNode;
}) {
  return (
    <li data-place={place}>
      <button type="button" onClick={onPress}>
        {children}
      </button>
    </li>
  );
}
