//! Page model and fonts to the bytes of a PDF.
