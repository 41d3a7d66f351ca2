// Small pictures of what one does in a room, drawn as icon.tsx draws: strokes on a grid of 24. They say nothing to screen readers.
const strokes = {
  microphone: "M12 14a3 3 0 0 0 3-3V6a3 3 0 0 0-6 0v5a3 3 0 0 0 3 3zM5 11c0 9 14 9 14 0M12 18v3",
  microphoneOff:
    "M9 9v2a3 3 0 0 0 4.5 2.6M15 11V6a3 3 0 0 0-5.8-1M5 11c0 6 6 8 10.5 6M19 11c0 1.3-.3 2.4-.8 3.3M12 18v3M4 4l16 16",
  camera: "M3 7h12v10H3zM15 11l6-3v8l-6-3",
  cameraOff: "M7 7h8v8M15 17H3V7M15 11l6-3v8l-3-1.5M3 3l18 18",
  screen: "M3 5h18v12H3zM8 21h8M12 13V8M9.5 10.5L12 8l2.5 2.5",
  hand: "M8 12V6a1.5 1.5 0 0 1 3 0v5M11 11V4.5a1.5 1.5 0 0 1 3 0V11M14 11V6a1.5 1.5 0 0 1 3 0v8c0 9-8 8-10 4l-3-5c1-2 3-1 4 1",
  smile: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM8.5 14c1.5 3 5.5 3 7 0M9 9.5h.01M15 9.5h.01",
  captions: "M3 5h18v14H3zM10.5 10.5c-3-2-5 4 0 3M17.5 10.5c-3-2-5 4 0 3",
  chat: "M4 5h16v11H10l-5 4v-4H4z",
  transcript: "M5 4h14v16H5zM8 8h8M8 12h8M8 16h5",
  leave: "M3 14c0-8 18-8 18 0v2l-5-1v-3c-3-1-5-1-8 0v3l-5 1z",
  send: "M4 12l16-8-6 16-3-6zM11 14l9-10",
  pin: "M9 4h6l-1 6 3 3H7l3-3zM12 13v7",
  people: "M9 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM3 19c0-7 12-7 12 0M16 5a3 3 0 0 1 0 6M18 14c2 1 3 3 3 5",
} as const;

export type GlyphName = keyof typeof strokes;

export function Glyph({ name }: { name: GlyphName }) {
  return (
    <svg width="1.375em" height="1.375em" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path
        d={strokes[name]}
        fill="none"
        stroke="currentColor"
        strokeWidth={1.8}
        strokeLinecap="round"
        strokeLinejoin="round"
      />
    </svg>
  );
}
