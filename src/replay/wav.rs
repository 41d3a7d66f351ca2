//! WAV files as tracks.

use std::{fs::File, io::BufReader, path::Path, time::Duration};

use anyhow::{Context as _, bail};
use hound::{SampleFormat, WavReader};

/// A WAV file that is read as it is played, 10 ms at a time.
pub(crate) struct Wav {
    reader: WavReader<BufReader<File>>,
    ticks: u64,
    frames_read: u64,
}

impl Wav {
    /// Opens a file and makes sure that there is audio in it.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let name = path.display();
        let file = File::open(path).with_context(|| format!("cannot open {name}"))?;
        let reader = WavReader::new(BufReader::new(file)).with_context(|| {
            format!("{name} is no WAV file; make one of it with: ffmpeg -i {name} -ac 1 -ar 16000 speech.wav")
        })?;
        let spec = reader.spec();
        if reader.duration() == 0 {
            bail!("{name} is a WAV file without any audio in it");
        }
        if spec.channels == 0 || !(4_000..=384_000).contains(&spec.sample_rate) {
            bail!(
                "{name} has {} channels at {} Hz, which nothing records",
                spec.channels,
                spec.sample_rate
            );
        }
        Ok(Self {
            reader,
            ticks: 0,
            frames_read: 0,
        })
    }

    /// How long the audio is.
    pub(crate) fn duration(&self) -> Duration {
        Duration::from_secs_f64(f64::from(self.reader.duration()) / f64::from(self.sample_rate_hz()))
    }

    /// Samples per second and channel.
    pub(crate) fn sample_rate_hz(&self) -> u32 {
        self.reader.spec().sample_rate
    }

    /// Interleaved channels.
    pub(crate) fn channels(&self) -> u16 {
        self.reader.spec().channels
    }

    /// Puts the next 10 ms into `samples`; nothing at the end.
    pub(crate) fn read_tick(&mut self, samples: &mut Vec<i16>) -> anyhow::Result<()> {
        samples.clear();
        self.ticks += 1;
        // 10 ms of 11,025 Hz are no whole number of frames: the count follows the clock.
        let frames_due = self.ticks * u64::from(self.sample_rate_hz()) / 100;
        let wanted = (frames_due - self.frames_read) as usize * usize::from(self.channels());
        let spec = self.reader.spec();
        match spec.sample_format {
            SampleFormat::Float => {
                for sample in self.reader.samples::<f32>().take(wanted) {
                    // `as` saturates what is louder than full scale.
                    samples.push((sample? * 32_767.0) as i16);
                }
            }
            SampleFormat::Int => {
                let shift = i32::from(spec.bits_per_sample) - 16;
                for sample in self.reader.samples::<i32>().take(wanted) {
                    let sample = sample?;
                    let scaled = if shift >= 0 {
                        sample >> shift
                    } else {
                        sample << -shift
                    };
                    samples.push(scaled as i16);
                }
            }
        }
        self.frames_read = frames_due;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use hound::{WavSpec, WavWriter};

    use super::*;

    fn written(spec: WavSpec, write: impl Fn(&mut WavWriter<std::io::BufWriter<File>>)) -> Wav {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let mut writer = WavWriter::create(file.path(), spec).expect("a writer");
        write(&mut writer);
        writer.finalize().expect("a whole file");
        Wav::open(file.path()).expect("a good file")
    }

    fn everything(mut wav: Wav) -> Vec<i16> {
        let (mut all, mut tick) = (Vec::new(), Vec::new());
        loop {
            wav.read_tick(&mut tick).expect("readable");
            if tick.is_empty() {
                return all;
            }
            all.append(&mut tick);
        }
    }

    #[test]
    fn every_sample_format_is_read() {
        let spec = |bits_per_sample, sample_format| WavSpec {
            channels: 1,
            sample_rate: 11_025,
            bits_per_sample,
            sample_format,
        };
        for bits in [8, 16, 24, 32] {
            let half = 1_i32 << (bits - 2);
            let wav = written(spec(bits, SampleFormat::Int), |writer| {
                for _ in 0..1000 {
                    writer.write_sample(half).expect("written");
                }
            });
            assert_eq!(everything(wav), vec![16_384; 1000], "{bits} bits");
        }
        let wav = written(spec(32, SampleFormat::Float), |writer| {
            for sample in [0.5_f32, -2.0] {
                writer.write_sample(sample).expect("written");
            }
        });
        assert_eq!(everything(wav), [16_383, -32_768]);
    }

    #[test]
    fn what_is_no_wav_says_how_to_make_one() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), "Dear diary").expect("written");
        let error = Wav::open(file.path()).err().expect("refused").to_string();
        assert!(
            error.contains("is no WAV file") && error.contains("ffmpeg"),
            "{error}"
        );
    }
}
