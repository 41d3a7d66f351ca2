// Makes a room, or changes one.
import { useState, type FormEvent } from "react";
import { answered, api } from "../../api/client.js";
import { ApiError } from "../../api/error.js";
import { useErrorText } from "../../text/error.js";
import { useLanguage, useText } from "../../text/index.js";
import { rooms } from "../../text/rooms.js";
import { shell } from "../../text/shell.js";
import { spokenLanguages } from "../../text/spoken.js";
import { Button } from "../../ui/button.js";
import { Actions, Dialog } from "../../ui/dialog.js";
import { Check, Field, Select, TextArea } from "../../ui/field.js";
import form from "../../ui/form.module.css";
import { ErrorNotice } from "../../ui/notice.js";
import { toast } from "../../ui/toast.js";
import styles from "./room-dialog.module.css";
import { formOf, wantedRoom, type RoomForm } from "./room-settings.js";
import { useRoomChange, type Room } from "./rooms.js";

interface Props {
  /** The room that is changed; none to make one. */
  room?: Room;
  onClose: () => void;
}

export function RoomDialog({ room, onClose }: Props) {
  const text = useText(rooms);
  const common = useText(shell);
  const [given, setGiven] = useState(() => formOf(room));
  const save = useRoomChange((wanted: RoomForm) => saved(room, wanted));
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const onSuccess = () => {
      onClose();
      if (room === undefined) toast(text.made);
    };
    save.mutate(given, { onSuccess });
  };
  const field = save.error instanceof ApiError ? save.error.field : null;
  const isShown = field !== null && FIELDS.includes(field);
  return (
    <Dialog title={room === undefined ? text.create : text.change} onClose={onClose}>
      <form className={form["form"]} onSubmit={submit}>
        {save.error && !isShown && <ErrorNotice error={save.error} />}
        <Fields given={given} error={save.error} onChange={(change) => setGiven({ ...given, ...change })} />
        <Actions>
          <Button onClick={onClose}>{common.cancel}</Button>
          <Button type="submit" look="primary" pending={save.isPending}>
            {room === undefined ? text.create : common.save}
          </Button>
        </Actions>
      </form>
    </Dialog>
  );
}

/** Those that say themselves what is wrong with them. */
const FIELDS = ["title", "startsAt", "settings.durationMinutes", "settings.pin", "settings.keyterms"];

interface FieldsProps {
  given: RoomForm;
  error: Error | null;
  onChange: (change: Partial<RoomForm>) => void;
}

function Fields({ given, error, onChange }: FieldsProps) {
  const text = useText(rooms);
  const errorText = useErrorText();
  const errorOf = (name: string) =>
    error instanceof ApiError && error.field === name ? errorText(error) : null;
  return (
    <>
      <Field
        label={text.name}
        error={errorOf("title")}
        value={given.title}
        onChange={(event) => onChange({ title: event.target.value })}
        maxLength={200}
        required
        autoFocus
      />
      <div className={styles["row"]}>
        <Field
          label={text.when}
          hint={text.whenHint}
          error={errorOf("startsAt")}
          type="datetime-local"
          value={given.startsAt}
          onChange={(event) => onChange({ startsAt: event.target.value })}
        />
        <Field
          label={text.length}
          error={errorOf("settings.durationMinutes")}
          type="number"
          min={1}
          max={1440}
          required
          value={given.durationMinutes}
          onChange={(event) => onChange({ durationMinutes: event.target.valueAsNumber })}
        />
      </div>
      <Check
        label={text.lobby}
        hint={text.lobbyHint}
        checked={given.lobby}
        onChange={(event) => onChange({ lobby: event.target.checked })}
      />
      <Field
        label={text.pin}
        hint={text.pinHint}
        error={errorOf("settings.pin")}
        value={given.pin}
        onChange={(event) => onChange({ pin: event.target.value })}
        inputMode="numeric"
        pattern="[0-9]{4,12}"
        autoComplete="off"
      />
      <Check
        label={text.captions}
        hint={text.captionsHint}
        checked={given.captions}
        onChange={(event) => onChange({ captions: event.target.checked })}
      />
      {given.captions && <Heard given={given} error={errorOf("settings.keyterms")} onChange={onChange} />}
    </>
  );
}

/** What is done with speech that is captioned. */
function Heard({ given, error, onChange }: Omit<FieldsProps, "error"> & { error: string | null }) {
  const text = useText(rooms);
  const language = useLanguage();
  return (
    <>
      <Select
        label={text.spoken}
        value={given.language}
        onChange={(event) => onChange({ language: event.target.value })}
      >
        <option value="">{text.anyLanguage}</option>
        {spokenLanguages(language, given.language).map(({ tag, name }) => (
          <option key={tag} value={tag}>
            {name}
          </option>
        ))}
      </Select>
      <TextArea
        label={text.keyterms}
        hint={text.keytermsHint}
        error={error}
        rows={3}
        value={given.keyterms}
        onChange={(event) => onChange({ keyterms: event.target.value })}
      />
      <Check
        label={text.summary}
        hint={text.summaryHint}
        checked={given.summary}
        onChange={(event) => onChange({ summary: event.target.checked })}
      />
    </>
  );
}

function saved(room: Room | undefined, form: RoomForm): Promise<unknown> {
  const body = wantedRoom(form, Intl.DateTimeFormat().resolvedOptions().timeZone);
  if (room === undefined) return answered(api.POST("/api/rooms", { body }));
  return answered(api.PATCH("/api/rooms/{roomId}", { params: { path: { roomId: room.id } }, body }));
}
