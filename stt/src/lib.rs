//! A local recogniser that speaks Deepgram's streaming protocol.
