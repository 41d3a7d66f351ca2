//! The recogniser alone: a whole file as one stream, without our gate, pauses and reconnections.

use std::path::Path;

use anyhow::Context as _;
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio_tungstenite::{connect_async, tungstenite::Message};

/// What the recogniser at `address` hears in a WAV file of 16 kHz, mono.
pub(crate) async fn heard(address: &str, file: &Path) -> anyhow::Result<String> {
    let mut reader = hound::WavReader::open(file)?;
    let samples = reader.samples::<i16>().collect::<Result<Vec<_>, _>>()?;
    let url = format!(
        "ws://{address}/v1/listen?encoding=linear16&sample_rate={}&interim_results=true&endpointing=300",
        reader.spec().sample_rate
    );
    let (socket, _) = connect_async(url)
        .await
        .context("the recogniser takes no stream")?;
    let (mut sink, mut source) = socket.split();
    let sending = tokio::spawn(async move {
        for part in samples.chunks(FRAME_SAMPLES) {
            let bytes: Vec<u8> = part.iter().flat_map(|sample| sample.to_le_bytes()).collect();
            sink.send(Message::binary(bytes)).await?;
        }
        sink.send(Message::text(r#"{"type":"CloseStream"}"#)).await?;
        // To be kept until all is heard: dropping it would close the stream.
        anyhow::Ok(sink)
    });
    let mut heard = Vec::new();
    while let Some(Ok(Message::Text(text))) = source.next().await {
        let message: Value = serde_json::from_str(&text)?;
        if message["is_final"] == true {
            let words = &message["channel"]["alternatives"][0]["transcript"];
            heard.push(words.as_str().unwrap_or_default().to_owned());
        }
    }
    drop(sending.await??);
    Ok(heard.join(" "))
}

const FRAME_SAMPLES: usize = 1600;
