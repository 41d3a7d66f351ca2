import assert from "node:assert/strict";
import test from "node:test";
import { waitBefore } from "../src/api/events.js";
import { figuresOf, quantile, samplesOf } from "../src/pages/admin/metrics.js";
import { codeIn, joinPath } from "../src/pages/home/link.js";
import { formOf, localTime, wantedRoom } from "../src/pages/home/room-settings.js";
import { shareHeaders, shareToken } from "../src/pages/lecture/share.js";
import { segmentAt, turnsOf, type Gap, type Spoken } from "../src/pages/lecture/turns.js";
import { loginPath, nextPath } from "../src/pages/login/next.js";

test("a code is found in whatever of an invitation is pasted", () => {
  const texts = [
    "abc-defg-hjk",
    " ABC DEFG HJK ",
    "abcdefghjk",
    "https://x.org/join/abc-defg-hjk/?a=b#c",
    "/room/abc-defg-hjk",
  ];
  for (const text of texts) assert.equal(codeIn(text), "abc-defg-hjk", text);
  for (const text of ["", "abc", "https://x.org/", "abc-defg-hj1", "javascript:alert(1)"])
    assert.equal(codeIn(text), null);
  assert.equal(joinPath("a/b"), "/join/a%2Fb");
});

test("after a login one gets to a page of ours and to no other", () => {
  assert.equal(nextPath("next=%2Flectures%3Fq%3Demma%23x"), "/lectures?q=emma#x");
  for (const next of [
    "https://evil.org/",
    "//evil.org",
    "/\\evil.org",
    "javascript:alert(1)",
    "http://[",
    "",
  ]) {
    const path = nextPath(new URLSearchParams({ next }).toString());
    assert.ok(path.startsWith("/") && !path.startsWith("//"), `${next}: ${path}`);
    assert.ok(!path.includes("evil"), `${next}: ${path}`);
  }
  assert.equal(nextPath(loginPath("/lectures?q=a&b").split("?")[1] ?? ""), "/lectures?q=a&b");
  assert.equal(loginPath("/"), "/login");
});

test("a stream waits longer each time before it is opened anew", () => {
  assert.deepEqual([0, 1, 4, 5, 50].map(waitBefore), [1000, 2000, 16_000, 30_000, 30_000]);
});

test("a room is sent as it is filled in", () => {
  const form = { ...formOf(undefined), title: " Algebra ", pin: " ", startsAt: "2027-03-01T09:30" };
  const wanted = wantedRoom(form, "Europe/Berlin");
  assert.equal(wanted.title, "Algebra");
  assert.equal(wanted.startsAt, new Date(2027, 2, 1, 9, 30).toISOString());
  assert.deepEqual(
    [wanted.settings.pin, wanted.settings.language, wanted.settings.captions],
    [null, null, true],
  );
  assert.ok(!("startsAt" in wantedRoom({ ...form, startsAt: "" }, "UTC")));
  assert.equal(localTime(new Date(2027, 2, 1, 9, 30)), "2027-03-01T09:30");
});

const said = (id: string, identity: string, startMs: number, endMs = startMs + 2_000): Spoken => ({
  id,
  identity,
  name: identity,
  startMs,
  endMs,
  text: id,
});
const shape = (segments: Spoken[], gaps: Gap[] = [], chapters: { startMs: number }[] = []) =>
  turnsOf(segments, gaps, chapters).map((turn) =>
    turn.kind === "gap" ? "gap" : turn.segments.map(({ id }) => id).join("+"),
  );

test("a turn ends where another speaks, where a chapter begins, after a silence, and when it is long", () => {
  assert.deepEqual(shape([said("a", "x", 0), said("b", "x", 3_000), said("c", "y", 6_000)]), ["a+b", "c"]);
  assert.deepEqual(shape([said("a", "x", 0), said("b", "x", 3_000)], [], [{ startMs: 3_000 }]), ["a", "b"]);
  assert.deepEqual(shape([said("a", "x", 0), said("b", "x", 11_000)]), ["a", "b"]);
  const long = Array.from({ length: 40 }, (_, index) => said(`${index}`, "x", index * 2_000));
  assert.deepEqual(
    turnsOf(long, [], []).map((turn) => (turn.kind === "said" ? turn.segments.length : 0)),
    [31, 9],
  );
});

test("gaps stand where the words are missing, and every segment is in one turn", () => {
  const gap = (startMs: number): Gap => ({
    identity: "x",
    name: "x",
    startMs,
    endMs: startMs + 1,
    reason: "",
  });
  const segments = [said("a", "x", 0), said("b", "x", 3_000)];
  assert.deepEqual(shape(segments, [gap(9_000), gap(2_500)]), ["a", "gap", "b", "gap"]);
  assert.deepEqual(shape([], [gap(0)]), ["gap"]);
  assert.deepEqual(shape([]), []);
});

test("a time leads to what is said next, or last", () => {
  const segments = [said("a", "x", 0), said("b", "x", 3_000)];
  assert.deepEqual(
    [0, 1, 3_000, 9_000].map((ms) => segmentAt(segments, ms)?.id),
    ["a", "b", "b", "b"],
  );
  assert.equal(segmentAt([], 0), undefined);
});

const METRICS = `# TYPE lectern_rooms gauge
lectern_rooms 2
lectern_tracks 5
lectern_stt_sockets{host="a"} 2
lectern_stt_sockets{host="b"} 3
lectern_caption_delay_seconds_bucket{le="0.02"} 0
lectern_caption_delay_seconds_bucket{le="0.04"} 90
lectern_caption_delay_seconds_bucket{le="0.08"} 100
lectern_caption_delay_seconds_bucket{le="+Inf"} 100
odd line
`;

test("figures are read from metrics", () => {
  const figures = figuresOf(METRICS);
  assert.deepEqual([figures?.rooms, figures?.tracks, figures?.sockets], [2, 5, 5]);
  assert.ok(Math.abs((figures?.delayMs ?? 0) - 60) < 1e-6);
  assert.equal(figuresOf("lectern_redis_up 1\n"), null);
});

test("a quantile is within its bucket, and nothing beyond the last is made up", () => {
  const samples = samplesOf('x_bucket{le="1"} 0\nx_bucket{le="+Inf"} 4\ny_bucket{le="+Inf"} 0\n');
  assert.equal(quantile(samples, "x", 0.5), 1);
  assert.equal(quantile(samples, "y", 0.5), null);
  assert.equal(quantile(samples, "z", 0.5), null);
});

test("a tab keeps the token of a link while it goes about in the lecture", () => {
  const kept = new Map<string, string>();
  const tab = { getItem: (key: string) => kept.get(key) ?? null, setItem: kept.set.bind(kept) };
  assert.equal(shareToken("one", "", tab), null);
  assert.equal(shareToken("one", "#share=", tab), null);
  assert.equal(shareToken("one", "#share=abc-_1", tab), "abc-_1");
  assert.equal(shareToken("one", "#SG_1", tab), "abc-_1");
  // Loaded again, with another lecture in between.
  assert.equal(shareToken("two", "#SG_1", tab), null);
  assert.deepEqual([...kept.values()], ["abc-_1"]);
  assert.deepEqual([shareHeaders(null), shareHeaders("x")], [{}, { "x-lecture-share": "x" }]);
});
