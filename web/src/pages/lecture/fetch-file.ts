// Fetching a lecture's file by its link: a plain link to it could not carry the token but in its address.
import { ApiError, errorOf } from "../../api/error.js";
import { shareHeaders } from "./share.js";

/** Has the browser keep a file, under its own name. */
export async function fetchFile({ url, name }: { url: string; name: string }, token: string): Promise<void> {
  const response = await fetch(url, { headers: shareHeaders(token) }).catch((cause: unknown) => {
    throw ApiError.unreachable(cause);
  });
  if (!response.ok) throw errorOf(response, await response.json().catch(() => null));
  const address = URL.createObjectURL(await response.blob());
  const link = Object.assign(document.createElement("a"), { href: address, download: name });
  link.click();
  // The browser has it once it has begun.
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
