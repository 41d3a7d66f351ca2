//! Writes what is heard of a recording through good and bad networks, for a recogniser to be measured with.
//!
//! `cargo run -p libwebrtc --example loss -- SPEECH.wav FOLDER` takes 16 kHz mono with its words in a `.txt` beside it,
//! and writes a WAV and a `.txt` for each network. Then, for the words that were lost:
//! `cargo run -p lectern-stt --example measure -- FOLDER/*.wav`.

#![expect(clippy::print_stdout, reason = "printing figures is half of what it does")]

use std::{error::Error, fs, path::Path, time::Duration};

use libwebrtc::internals::{Redundancy, Way, hear_through};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [speech, folder] = arguments.as_slice() else {
        return Err("usage: loss SPEECH.wav FOLDER".into());
    };
    let mut reader = hound::WavReader::open(speech)?;
    let samples: Vec<i16> = reader.samples().collect::<Result<_, _>>()?;
    let words = fs::read_to_string(Path::new(speech).with_extension("txt"))?;
    fs::create_dir_all(folder)?;
    for percent in [0, 5, 10, 20] {
        for redundancy in [Redundancy::None, Redundancy::Red] {
            let way = Way {
                loss: f64::from(percent) / 100.0,
                loss_run: 1.3,
                delay: Duration::from_millis(40),
                jitter: Duration::from_millis(40),
                ..Way::CLEAN
            };
            let heard = hear_through(way, 1, redundancy, &samples);
            let name = format!("{percent:02}_{redundancy:?}").to_lowercase();
            println!(
                "{name}: {} packets recovered, {:.2} s made up",
                heard.recovered, heard.made_up
            );
            let path = Path::new(folder).join(name);
            let mut writer = hound::WavWriter::create(path.with_extension("wav"), reader.spec())?;
            for sample in heard.samples {
                writer.write_sample(sample)?;
            }
            writer.finalize()?;
            fs::write(path.with_extension("txt"), &words)?;
        }
    }
    Ok(())
}
