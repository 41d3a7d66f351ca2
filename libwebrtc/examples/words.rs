//! Writes what is heard of recordings through rooms of a real LiveKit server, for the words to be counted (`make bench-hearing`).
//!
//! `words FOLDER TIMES SPEECH.wav…` takes 16 kHz mono with its words in a `.txt` beside it, and as long as the longest of
//! them. Each is said in three rooms at once: over a network without fault (`nowhere`), and with 5 % of all datagrams lost
//! between the `speaker` and the server, or between the server and the `listener`, either way. In `codec` it is encoded and
//! decoded and went nowhere.
//!
//! All of that is done so many times, each a millisecond later into the recording, and what is said is in `file`: a
//! recogniser takes speech in pieces of 10 ms, and where these begin alone decides over every tenth word of a bad recording.
//!
//! Datagrams are lost on the way to a TURN relay, by which alone those connections may go.

#![expect(clippy::print_stdout, reason = "it says what it wrote")]

use std::{
    collections::HashMap,
    error::Error,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use livekit::{
    RoomOptions,
    webrtc::{
        audio_frame::AudioFrame,
        audio_stream::native::{NativeAudioStream, NativeAudioStreamOptions},
        internals::{Relay, Way},
        peer_connection_factory::{IceServer, IceTransportsType},
        stats::RtcStats,
    },
};
use opus::{Application, Bitrate, Channels, Decoder, Encoder};
use tokio::{
    net::UdpSocket,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinSet,
    time::{sleep, sleep_until, timeout},
};

#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../tests/support/mod.rs"]
mod support;

use support::{Log, Participant, PeerConnections, Rtc, Server, next, options, variable};

/// Where datagrams are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lossy {
    Nowhere,
    Speaker,
    Listener,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: words FOLDER TIMES SPEECH.wav…";
    let folder = PathBuf::from(arguments.next().ok_or(usage)?);
    let times: usize = arguments.next().ok_or(usage)?.parse()?;
    let server = Arc::new(Server::start("words", &LOOPBACK));
    let relay = lossy_relay().await?;
    let mut rooms = JoinSet::new();
    let folder_of = |name: &str| -> std::io::Result<PathBuf> {
        let folder = folder.join(name);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    };
    for speech in arguments {
        for time in 0..times {
            let speech = begin_later(Path::new(&speech), time, &folder_of("file")?)?;
            only_encode(&speech, &folder_of("codec")?)?;
            for lossy in [Lossy::Nowhere, Lossy::Speaker, Lossy::Listener] {
                let folder = folder_of(&format!("{lossy:?}").to_lowercase())?;
                rooms.spawn(say(server.clone(), relay, lossy, speech.clone(), folder));
            }
        }
    }
    rooms.join_all().await;
    Ok(())
}

/// Writes a recording without its first milliseconds, and says where.
fn begin_later(speech: &Path, milliseconds: usize, folder: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let mut reader = hound::WavReader::open(speech)?;
    let samples = reader.samples().collect::<Result<Vec<i16>, _>>()?;
    let name = speech.file_stem().ok_or("a speech is a file")?.to_string_lossy();
    let path = folder.join(format!("{name}_{milliseconds}.wav"));
    let left_out = (milliseconds * RATE_HZ as usize / 1000).min(samples.len());
    write(&path, reader.spec(), &samples[left_out..])?;
    fs::copy(speech.with_extension("txt"), path.with_extension("txt"))?;
    Ok(path)
}

/// Encodes a recording as a speaker does, and writes what is left of it.
fn only_encode(speech: &Path, folder: &Path) -> Result<(), Box<dyn Error>> {
    let mut reader = hound::WavReader::open(speech)?;
    let mut samples = reader.samples().collect::<Result<Vec<i16>, _>>()?;
    samples.resize(samples.len().next_multiple_of(PACKET_SAMPLES), 0);
    let mut encoder = Encoder::new(RATE_HZ, Channels::Mono, Application::Voip)?;
    encoder.set_complexity(9)?;
    encoder.set_inband_fec(true)?;
    encoder.set_packet_loss_perc(10)?;
    encoder.set_bitrate(Bitrate::Bits(32_000))?;
    encoder.set_dtx(true)?;
    let mut decoder = Decoder::new(RATE_HZ, Channels::Mono)?;
    let (mut packet, mut decoded) = ([0; 1_500], [0; PACKET_SAMPLES]);
    let mut heard = Vec::with_capacity(samples.len());
    for piece in samples.chunks(PACKET_SAMPLES) {
        let length = encoder.encode(piece, &mut packet)?;
        let count = decoder.decode(&packet[..length], &mut decoded, false)?;
        heard.extend_from_slice(&decoded[..count]);
    }
    let path = folder.join(speech.file_name().ok_or("a speech is a file")?);
    write(&path, reader.spec(), &heard)?;
    fs::copy(speech.with_extension("txt"), path.with_extension("txt"))?;
    Ok(())
}

/// Says a recording in a room, and writes what is heard of it, from the moment it begins until two seconds after its end.
async fn say(server: Arc<Server>, relay: SocketAddr, lossy: Lossy, speech: PathBuf, folder: PathBuf) {
    let name = speech.file_stem().expect("a speech is a file").to_string_lossy();
    let room = format!("{name}-{lossy:?}");
    let by = |end| match lossy == end {
        true => through(relay),
        false => options(PeerConnections::Two),
    };
    let mut listener = Participant::join_room(&server, &room, "listener", by(Lossy::Listener)).await;
    let speaker = Participant::join_room(&server, &room, "speaker", by(Lossy::Speaker)).await;
    let source = speaker.publish(RATE_HZ).await;
    let keep_all = NativeAudioStreamOptions {
        queue_size_frames: Some(0),
    };
    let mut stream = NativeAudioStream::with_options(listener.track().await, RATE_HZ as i32, 1, keep_all);
    let mut reader = hound::WavReader::open(&speech).expect("a recording");
    assert_eq!(reader.spec().sample_rate, RATE_HZ, "{}", speech.display());
    let samples: Vec<i16> = reader
        .samples()
        .map(|sample| sample.expect("a whole recording"))
        .collect();
    // Until the way is there: what is said before may not be heard.
    sleep(Duration::from_secs(2)).await;
    while let Ok(Some(_)) = timeout(Duration::ZERO, next(&mut stream)).await {}
    let saying = async {
        for piece in samples.chunks(RATE_HZ as usize / 100) {
            source.capture_frame(&frame(piece)).await.expect("it is taken");
        }
    };
    let mut heard = Vec::new();
    let hearing = async {
        while heard.len() < samples.len() + RATE_HZ as usize * 2 {
            let frame = next(&mut stream).await.expect("the track is there");
            heard.extend_from_slice(&frame.data);
        }
    };
    tokio::join!(saying, hearing);
    let path = folder.join(format!("{name}.wav"));
    println!("{}: {}", path.display(), losses(&listener).await);
    write(&path, reader.spec(), &heard).expect("written");
    fs::copy(speech.with_extension("txt"), path.with_extension("txt")).expect("its words are beside it");
    speaker.leave().await;
    listener.leave().await;
}

fn frame(samples: &[i16]) -> AudioFrame<'_> {
    AudioFrame {
        data: samples.into(),
        sample_rate: RATE_HZ,
        num_channels: 1,
        samples_per_channel: samples.len() as u32,
    }
}

fn write(path: &Path, spec: hound::WavSpec, samples: &[i16]) -> hound::Result<()> {
    let mut writer = hound::WavWriter::create(path, spec)?;
    for sample in samples {
        writer.write_sample(*sample)?;
    }
    writer.finalize()
}

async fn losses(listener: &Participant) -> String {
    let stats = listener.room.get_stats().await.expect("figures");
    let mut inbound = stats.subscriber_stats.iter().filter_map(|stats| match stats {
        RtcStats::InboundRtp(inbound) => Some(inbound),
        _ => None,
    });
    let Some(inbound) = inbound.next() else {
        return "nothing came".to_owned();
    };
    let figures = &inbound.inbound;
    format!(
        "{} packets came, {} did not; {:.1} s made up",
        inbound.received.packets_received,
        inbound.received.packets_lost,
        (figures.concealed_samples - figures.silent_concealed_samples) as f64 / f64::from(RATE_HZ)
    )
}

/// To join by a relay that is reached at this address, and by nothing else.
fn through(relay: SocketAddr) -> RoomOptions {
    let mut options = options(PeerConnections::Two);
    options.rtc_config.ice_servers = vec![IceServer {
        urls: vec![format!("turn:{relay}")],
        username: variable("TURN_USERNAME"),
        password: variable("TURN_PASSWORD"),
    }];
    options.rtc_config.ice_transport_type = IceTransportsType::Relay;
    options
}

/// An address by which the TURN server is reached over a bad network.
async fn lossy_relay() -> Result<SocketAddr, Box<dyn Error>> {
    let server: SocketAddr = format!("127.0.0.1:{}", variable("TURN_PORT")).parse()?;
    let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await?);
    let address = socket.local_addr()?;
    tokio::spawn(async move {
        let mut clients = HashMap::<SocketAddr, UnboundedSender<Vec<u8>>>::new();
        let mut buffer = [0; 2048];
        loop {
            let (length, client) = socket
                .recv_from(&mut buffer)
                .await
                .expect("a socket of this machine");
            let seed = clients.len() as u64;
            let to_server = clients.entry(client).or_insert_with(|| {
                let (sender, receiver) = unbounded_channel();
                tokio::spawn(pass_on(socket.clone(), client, server, receiver, seed));
                sender
            });
            to_server.send(buffer[..length].to_vec()).ok();
        }
    });
    Ok(address)
}

/// Passes datagrams on between a client and the server, and loses some.
async fn pass_on(
    to_client: Arc<UdpSocket>,
    client: SocketAddr,
    server: SocketAddr,
    mut from_client: UnboundedReceiver<Vec<u8>>,
    seed: u64,
) {
    let to_server = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    to_server
        .connect(server)
        .await
        .expect("an address of this machine");
    let (mut there, mut back) = (Relay::new(BAD, seed), Relay::new(BAD, !seed));
    let mut buffer = [0; 2048];
    loop {
        let arrivals = there.next_arrival().into_iter().chain(back.next_arrival());
        let wake_at = arrivals
            .min()
            .unwrap_or_else(|| Instant::now() + Duration::from_secs(1));
        tokio::select! {
            () = sleep_until(wake_at.into()) => {}
            datagram = from_client.recv() => {
                let Some(datagram) = datagram else { return };
                there.send(Instant::now(), datagram);
            }
            Ok(length) = to_server.recv(&mut buffer) => back.send(Instant::now(), buffer[..length].to_vec()),
        }
        while let Some(datagram) = there.receive(Instant::now()) {
            to_server.send(&datagram).await.ok();
        }
        while let Some(datagram) = back.receive(Instant::now()) {
            to_client.send_to(&datagram, client).await.ok();
        }
    }
}

const LOOPBACK: Rtc = Rtc {
    address: "127.0.0.1",
    lines: "",
    log: Log::Sparse,
};

/// As the example `loss` has it: 5 % lost, some in a row, and overtaking.
const BAD: Way = Way {
    loss: 0.05,
    loss_run: 1.3,
    delay: Duration::from_millis(40),
    jitter: Duration::from_millis(40),
    ..Way::CLEAN
};

const RATE_HZ: u32 = 16_000;
/// 20 ms, as they are sent.
const PACKET_SAMPLES: usize = RATE_HZ as usize / 50;
