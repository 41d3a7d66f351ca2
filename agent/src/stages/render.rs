//! Minutes to PDF, in a child process.
//!
//! Setting two hours of transcript in type takes a hundred megabytes that an allocator never gives back, so it
//! happens in a process that ends: one at a time, so that ten meetings that end together need no more than one.

use std::{path::PathBuf, process::Stdio, time::Duration};

use tokio::{io::AsyncWriteExt, process::Command, sync::Semaphore, time::timeout};
use tracing::warn;

use lectern_pipelines::Minutes;

use crate::Error;

/// The program that sets minutes in type; one child at a time.
#[derive(Debug)]
pub(super) struct Renderer {
    program: PathBuf,
    turn: Semaphore,
}

/// Ten times what a day-long meeting takes on a slow machine.
const RENDER_MAX: Duration = Duration::from_secs(120);
/// What of a child's complaints is kept.
const COMPLAINT_CHARS_MAX: usize = 400;

impl Renderer {
    pub(super) fn new(program: PathBuf) -> Self {
        Self {
            program,
            turn: Semaphore::new(1),
        }
    }

    /// The minutes as a PDF; the same minutes give the same bytes.
    pub(super) async fn render(&self, minutes: &Minutes) -> Result<Vec<u8>, Error> {
        let json = serde_json::to_vec(minutes).expect("minutes are strings and numbers");
        let _turn = self.turn.acquire().await.expect("never closed");
        match timeout(RENDER_MAX, self.run(json)).await {
            Ok(rendered) => rendered,
            // The child is killed as its handle is dropped.
            Err(_) => Err(Error::Render(format!("no end within {} s", RENDER_MAX.as_secs()))),
        }
    }

    async fn run(&self, json: Vec<u8>) -> Result<Vec<u8>, Error> {
        let mut child = Command::new(&self.program)
            .arg("render")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| Error::Render(format!("can't start {}: {error}", self.program.display())))?;
        let mut stdin = child.stdin.take().expect("piped");
        let feed = async move {
            // A child that fails stops reading; why it did is on its stderr.
            let _ = stdin.write_all(&json).await;
        };
        let ((), output) = tokio::join!(feed, child.wait_with_output());
        let output = output.map_err(|error| Error::Render(format!("lost the child: {error}")))?;
        let complaint = last_chars(String::from_utf8_lossy(&output.stderr).trim());
        if !output.status.success() {
            return Err(Error::Render(format!("{}: {complaint}", output.status)));
        }
        if !output.stdout.starts_with(b"%PDF-") {
            return Err(Error::Render(format!("{} gave no PDF", self.program.display())));
        }
        if !complaint.is_empty() {
            warn!("rendered with complaints: {complaint}");
        }
        Ok(output.stdout)
    }
}

/// The end of a text: what a program says last is why it stopped.
fn last_chars(text: &str) -> String {
    let skipped = text.chars().count().saturating_sub(COMPLAINT_CHARS_MAX);
    text.chars().skip(skipped).collect()
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Instant};

    use lectern_pipelines::{Aside, Lecture, MeetingId, RoomName, UnixMillis, extractive};

    use super::*;

    fn minutes() -> Minutes {
        let lecture = Lecture {
            meeting: MeetingId::parse("m").expect("a good id"),
            room: RoomName::parse("r").expect("a good name"),
            room_title: None,
            revision: 0,
            started_at: UnixMillis(0),
            duration: Duration::from_secs(1),
            participants: Vec::new(),
            segments: Vec::new(),
            gaps: Vec::new(),
        };
        Minutes::compose(&lecture, Some(&extractive(&lecture)), &Aside::default())
    }

    fn program(folder: &Path, script: &str) -> PathBuf {
        let path = folder.join("program");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("made executable");
        path
    }

    #[tokio::test]
    async fn what_the_child_writes_is_the_pdf() {
        let folder = tempfile::tempdir().expect("a folder");
        let script = "[ \"$1\" = render ] || exit 9\nprintf '%%PDF-1.7 '; wc -c";
        let pdf = Renderer::new(program(folder.path(), script))
            .render(&minutes())
            .await
            .expect("rendered");
        let length = serde_json::to_vec(&minutes()).expect("JSON").len();
        let text = String::from_utf8(pdf).expect("text");
        assert_eq!(
            text.split_whitespace().collect::<Vec<_>>(),
            ["%PDF-1.7", &length.to_string()]
        );
    }

    #[tokio::test]
    async fn child_that_fails_says_why() {
        let folder = tempfile::tempdir().expect("a folder");
        let script = "echo 'no font at all' >&2; exit 3";
        let error = Renderer::new(program(folder.path(), script))
            .render(&minutes())
            .await
            .expect_err("failed");
        let text = error.to_string();
        assert!(text.contains("no font at all") && text.contains('3'), "{text}");
    }

    #[tokio::test]
    async fn success_without_a_pdf_is_a_failure() {
        let folder = tempfile::tempdir().expect("a folder");
        let renderer = Renderer::new(program(folder.path(), "cat > /dev/null; echo hello"));
        assert!(renderer.render(&minutes()).await.is_err());
    }

    #[tokio::test]
    async fn missing_program_is_named() {
        let error = Renderer::new("/nowhere/lectern".into())
            .render(&minutes())
            .await
            .expect_err("not there");
        assert!(error.to_string().contains("/nowhere/lectern"), "{error}");
    }

    #[tokio::test]
    async fn children_run_one_after_another() {
        let folder = tempfile::tempdir().expect("a folder");
        // A second child that runs beside the first finds its folder there.
        let script = format!(
            "cat > /dev/null; mkdir {0}/running || exit 1; sleep 0.2; rmdir {0}/running; printf %%PDF-",
            folder.path().display()
        );
        let renderer = Renderer::new(program(folder.path(), &script));
        let began = Instant::now();
        let minutes = minutes();
        let (one, other, third) = tokio::join!(
            renderer.render(&minutes),
            renderer.render(&minutes),
            renderer.render(&minutes)
        );
        for rendered in [one, other, third] {
            rendered.expect("alone");
        }
        assert!(began.elapsed() >= Duration::from_millis(600));
    }
}
