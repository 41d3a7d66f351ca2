// Sends a file, and tells how far it is: `fetch` can't.
import { ApiError, errorOf } from "../../api/error.js";

export interface Upload {
  readonly done: Promise<void>;
  readonly cancel: () => void;
}

/** `tell` hears shares from 0 to 1. */
export function upload(roomId: string, file: File, tell: (share: number) => void): Upload {
  const request = new XMLHttpRequest();
  const query = new URLSearchParams({ name: file.name, bytes: String(file.size) });
  request.open("POST", `/api/rooms/${encodeURIComponent(roomId)}/files?${query}`);
  request.setRequestHeader("content-type", file.type || "application/octet-stream");
  request.upload.onprogress = ({ loaded, total }) => tell(total === 0 ? 0 : loaded / total);
  const done = new Promise<void>((resolve, reject) => {
    request.onload = () =>
      request.status < 300 ? resolve() : reject(errorOf(responseOf(request), bodyOf(request)));
    request.onerror = () => reject(ApiError.unreachable("the connection broke"));
    request.onabort = () => resolve();
  });
  request.send(file);
  return { done, cancel: () => request.abort() };
}

function responseOf(request: XMLHttpRequest): Response {
  const after = request.getResponseHeader("retry-after");
  return new Response(null, {
    status: request.status,
    headers: after === null ? {} : { "retry-after": after },
  });
}

function bodyOf(request: XMLHttpRequest): unknown {
  try {
    return JSON.parse(request.responseText);
  } catch {
    return null;
  }
}
