//! The sans-IO core: audio to transcript, transcript to summary and page model.
