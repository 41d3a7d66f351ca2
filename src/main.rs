//! `lectern`: captions, transcripts and lecture notes for LiveKit rooms.

fn main() {}
