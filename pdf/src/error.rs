//! What can go wrong between minutes and PDF.

use std::{io, path::PathBuf};

/// Why there is no PDF.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What came in is no minutes.
    #[error("reading the minutes: {0}")]
    Input(#[source] serde_json::Error),
    /// A folder of fonts that the settings name can't be read.
    #[error("reading fonts from {}: {source}", path.display())]
    Fonts {
        /// The folder or file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Typst refused the page; a fault of the template, not of the input.
    #[error("setting the pages: {0}")]
    Layout(String),
    /// The PDF can't be written out.
    #[error("writing the PDF: {0}")]
    Output(#[source] io::Error),
}
