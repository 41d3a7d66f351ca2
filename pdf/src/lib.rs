//! Page model and fonts to the bytes of a PDF.
//!
//! Typst sets the type. Two hours of transcript cost it a hundred megabytes that stay with the process, so the
//! binary runs [`render_stream`] in a child of its own: minutes as JSON in, PDF out.

mod error;
mod fonts;
mod missing;
mod render;
mod world;

pub use error::Error;
pub use fonts::Fonts;
pub use missing::fonts_wanted;
pub use render::{Rendered, render_pdf, render_stream};
