//! Writes what is heard of a recording through good and bad networks, for a recogniser to be measured with.
//!
//! `cargo run -p libwebrtc --example loss -- FOLDER SPEECH.wav…` takes 16 kHz mono with its words in a `.txt` beside it,
//! and writes a WAV and a `.txt` for each network, each chance and each speech. Then, for the words that were lost:
//! `cargo run -p lectern-stt --example compare -- FOLDER 00_none 05_none 05_red`, and so on.

#![expect(clippy::print_stdout, reason = "printing figures is half of what it does")]

use std::{error::Error, fs, path::Path, time::Duration};

use libwebrtc::internals::{Redundancy, Way, hear_through};

/// By how many chances each network is tried: a word more or less is more than a per cent of most recordings.
const SEEDS: u64 = 4;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("usage: loss FOLDER SPEECH.wav…")?;
    for speech in arguments {
        for percent in [0, 5, 10] {
            for redundancy in [Redundancy::None, Redundancy::Red] {
                let network = format!("{percent:02}_{redundancy:?}").to_lowercase();
                let way = Way {
                    loss: f64::from(percent) / 100.0,
                    loss_run: 1.3,
                    delay: Duration::from_millis(40),
                    jitter: Duration::from_millis(40),
                    ..Way::CLEAN
                };
                write(
                    Path::new(&speech),
                    &Path::new(&folder).join(network),
                    way,
                    redundancy,
                )?;
            }
        }
    }
    Ok(())
}

fn write(speech: &Path, folder: &Path, way: Way, redundancy: Redundancy) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    let mut reader = hound::WavReader::open(speech)?;
    let samples: Vec<i16> = reader.samples().collect::<Result<_, _>>()?;
    let name = speech.file_stem().ok_or("a speech is a file")?.to_string_lossy();
    for seed in 0..SEEDS {
        let heard = hear_through(way, seed, redundancy, &samples);
        let path = folder.join(format!("{name}_{seed}.wav"));
        println!(
            "{}: {} packets recovered, {:.2} s made up",
            path.display(),
            heard.recovered,
            heard.made_up
        );
        let mut writer = hound::WavWriter::create(&path, reader.spec())?;
        for sample in heard.samples {
            writer.write_sample(sample)?;
        }
        writer.finalize()?;
        fs::copy(speech.with_extension("txt"), path.with_extension("txt"))?;
    }
    Ok(())
}
