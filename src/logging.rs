//! What is logged, and how.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// The log, on standard error.
#[derive(Debug, clap::Args)]
pub(crate) struct LogArgs {
    /// What is logged: error, warn, info, debug, or tracing's filter language.
    #[arg(long, env = "LECTERN_LOG", default_value = "info", global = true)]
    log: String,
    /// `text` or `json`.
    #[arg(long, env = "LECTERN_LOG_FORMAT", default_value = "text", global = true)]
    log_format: String,
}

/// Starts logging for the whole process.
pub(crate) fn start(args: &LogArgs) {
    // Libraries say at `info` what only their authors need to know.
    let quiet =
        "livekit=warn,livekit_api=warn,livekit_signaling=warn,libwebrtc=warn,str0m=warn,sqlx=warn,aws=warn";
    let filter = EnvFilter::try_new(format!("{quiet},{}", args.log)).unwrap_or_else(|error| {
        eprintln!(
            "lectern: LECTERN_LOG is {:?}, which is no filter ({error}); taking info",
            args.log
        );
        EnvFilter::new(format!("{quiet},info"))
    });
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match args.log_format.as_str() {
        "json" => log.json().init(),
        _ => log.init(),
    }
}
