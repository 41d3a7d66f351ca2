// The token of a lecture's link. It stands behind the "#", where no server, no log and no other page sees it, and goes along
// in a header.
import { useSyncExternalStore } from "react";

const PREFIX = "#share=";
const known = new Map<string, string>();

/** The token by which this tab came to a lecture; null for who came otherwise. */
export function useShareToken(id: string): string | null {
  return useSyncExternalStore(subscribe, () => shareToken(id, location.hash, sessionStorage));
}

/** What is sent along to read a lecture by its link. */
export function shareHeaders(token: string | null): Record<string, string> {
  return token === null ? {} : { "x-lecture-share": token };
}

/** The address that a path of the service's, made for sharing, is handed on as. */
export function addressOf(path: string): string {
  return new URL(path, location.origin).href;
}

/** Links within the lecture take the place of the token in the address: the tab remembers it. */
export function shareToken(
  id: string,
  hash: string,
  tab: Pick<Storage, "getItem" | "setItem">,
): string | null {
  if (hash.startsWith(PREFIX) && hash.length > PREFIX.length) {
    const token = hash.slice(PREFIX.length);
    if (known.get(id) !== token) {
      known.set(id, token);
      tab.setItem(keyOf(id), token);
    }
    return token;
  }
  return known.get(id) ?? tab.getItem(keyOf(id));
}

function keyOf(id: string): string {
  return `lectern.share.${id}`;
}

function subscribe(changed: () => void): () => void {
  addEventListener("hashchange", changed);
  return () => removeEventListener("hashchange", changed);
}
