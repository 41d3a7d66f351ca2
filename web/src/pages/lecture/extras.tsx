// What else there was in the room: what people wrote, and the files that they shared.
import { size } from "../../text/format.js";
import { useLanguage, useText } from "../../text/index.js";
import { lecture as texts } from "../../text/lectures.js";
import { speakerColour } from "../../ui/speaker.js";
import type { Lecture } from "./lecture-data.js";
import styles from "./lecture.module.css";

export function Extras({ lecture: { chat, sharedFiles } }: { lecture: Lecture }) {
  const text = useText(texts);
  const language = useLanguage();
  return (
    <>
      {chat.length > 0 && (
        <section className={styles["part"]}>
          <h2>{text.chat}</h2>
          <ul className={styles["list"]}>
            {chat.map((message) => (
              <li key={message.id}>
                <strong style={{ color: speakerColour(message.identity) }}>{message.name}</strong>{" "}
                {message.text}
              </li>
            ))}
          </ul>
        </section>
      )}
      {sharedFiles.length > 0 && (
        <section className={styles["part"]}>
          <h2>{text.files}</h2>
          <ul className={styles["list"]}>
            {sharedFiles.map((file) => (
              <li key={file.id}>
                <a href={file.url} download>
                  {file.name}
                </a>{" "}
                ({size(language, file.bytes)}, {file.sharedBy})
              </li>
            ))}
          </ul>
        </section>
      )}
    </>
  );
}
