// Calls a real service by the typed client: service/tests/api/document.rs says where it is, and reads what we found.
import { apiAt, type Schemas } from "../src/api/client.js";

export async function holdMeeting(baseUrl: string): Promise<string[]> {
  const person = { email: "ada@example.org", name: "Ada", password: "correct horse battery" };
  const { data: login } = await apiAt(baseUrl).POST("/api/auth/register", { body: person });
  if (login === undefined) throw new Error("nobody can register");

  const host = apiAt(baseUrl, login.token);
  const { data: room } = await host.POST("/api/rooms", { body: { title: "Algebra" } });
  if (room === undefined) throw new Error("no room");
  const path = { params: { path: { roomId: room.id } } };
  const { data: message } = await host.POST("/api/rooms/{roomId}/chat", { ...path, body: { text: "hello" } });
  const { data: captions } = await host.GET("/api/rooms/{roomId}/captions", path);
  const items: Schemas["CaptionView"][] | undefined = captions?.items;

  // A stranger is refused in the one form of errors, which is typed too.
  const { error } = await apiAt(baseUrl).GET("/api/rooms/{roomId}/captions", path);
  const code: Schemas["ErrorCode"] | undefined = error?.error.code;

  // @ts-expect-error: there is no such path.
  await host.GET("/api/nowhere");
  // @ts-expect-error: a room needs a title.
  const { response } = await host.POST("/api/rooms", { body: {} });
  return [room.title, `${message?.text}`, `${items?.length}`, `${code}`, `${response.status}`];
}
