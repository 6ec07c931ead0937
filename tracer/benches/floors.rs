//! What a frame costs on each floor: decoding the frame, decoding NATS, following connections, the whole core.
#![allow(missing_docs, reason = "criterion's macros make public items")]
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use natstrace::base::{PortSet, Side, Span, Timestamp};
use natstrace::event::{Frame, FrameRef, Mark};
use natstrace::nats::{Conversation, Op};
use natstrace::pipeline::{Config, Pipeline};
use natstrace::track::{Limits, Seen, TrackConfig, Tracker};
use natstrace::wire::{Decoder, LinkType, Packet, Segment};
use std::collections::BTreeMap;
use std::hint::black_box;
use tests::generate::Set;

const FRAMES: usize = 20_000;

fn frames(set: Set) -> Vec<(i64, Vec<u8>)> {
    let mut frames = Vec::new();
    set.each(1.0, &mut |at, frame| {
        frames.push((at, frame.to_vec()));
        frames.len() < FRAMES
    });
    frames
}

fn throughput(frames: &[(i64, Vec<u8>)]) -> Throughput {
    Throughput::Bytes(frames.iter().map(|f| f.1.len() as u64).sum())
}

fn frame(c: &mut Criterion) {
    let mut group = c.benchmark_group("frame");
    for set in [Set::Bulk, Set::Small, Set::Noise] {
        let frames = frames(set);
        group.throughput(throughput(&frames));
        let mut decoder = Decoder::new();
        group.bench_function(set.name(), |b| {
            b.iter(|| {
                for (at, bytes) in &frames {
                    black_box(decoder.decode(LinkType::ETHERNET, Timestamp(*at), bytes, bytes.len() as u32));
                }
            });
        });
    }
    group.finish();
}

fn nats(c: &mut Criterion) {
    let mut group = c.benchmark_group("nats");
    for set in [Set::Bulk, Set::Small] {
        // The first connection's payloads, in order.
        let (mut decoder, mut flow) = (Decoder::new(), None);
        let mut pieces = Vec::new();
        for (at, bytes) in &frames(set) {
            let Packet::Tcp(seg) =
                decoder.decode(LinkType::ETHERNET, Timestamp(*at), bytes, bytes.len() as u32)
            else {
                continue;
            };
            let (from, client) =
                if seg.dst.port == 4222 { (Side::Client, seg.src) } else { (Side::Server, seg.dst) };
            if !seg.payload.is_empty() && *flow.get_or_insert(client) == client {
                pieces.push((from, seg.payload.to_vec()));
            }
        }
        group.throughput(Throughput::Bytes(pieces.iter().map(|p| p.1.len() as u64).sum()));
        group.bench_function(set.name(), |b| {
            b.iter_batched(
                Conversation::new,
                |mut conversation| {
                    for (from, bytes) in &pieces {
                        conversation.push(*from, bytes, &mut |side: Side, op: Op<'_>| {
                            black_box((side, op));
                        });
                    }
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn track(c: &mut Criterion) {
    let mut group = c.benchmark_group("track");
    for set in Set::ALL {
        let frames = frames(set);
        // A packet borrows its decoder.
        let mut decoders: Vec<Decoder> = frames.iter().map(|_| Decoder::new()).collect();
        let segments: Vec<(Timestamp, Segment<'_>)> = decoders
            .iter_mut()
            .zip(&frames)
            .filter_map(|(decoder, (at, bytes))| {
                let at = Timestamp(*at);
                match decoder.decode(LinkType::ETHERNET, at, bytes, bytes.len() as u32) {
                    Packet::Tcp(seg) => Some((at, seg)),
                    _ => None,
                }
            })
            .collect();
        group.throughput(Throughput::Elements(segments.len() as u64));
        group.bench_function(set.name(), |b| {
            b.iter(|| {
                let mut tracker = Tracker::new(TrackConfig {
                    ports: PortSet::default(),
                    limits: Limits {
                        idle_timeout: Span::secs(120),
                        window_closed: Span::secs(3),
                        linger_done: Span::secs(1),
                        linger: Span::secs(3),
                        linger_doubtful: Span::secs(30),
                    },
                    max_connections: 1_000_000,
                    shards: 1,
                    iface_names: BTreeMap::new(),
                });
                let mut told = Vec::new();
                for (number, (at, seg)) in (1..).zip(&segments) {
                    let mark = Mark { at: *at, frame: FrameRef::new(0, number) };
                    tracker.handle_segment(seg, Seen { mark, place: (0, 0) }, number, &mut told);
                    black_box(told.drain(..)).for_each(drop);
                }
            });
        });
    }
    group.finish();
}

fn pipeline(c: &mut Criterion) {
    let mut group = c.benchmark_group("pipeline");
    group.sample_size(20);
    for set in Set::ALL {
        let frames = frames(set);
        group.throughput(throughput(&frames));
        group.bench_function(set.name(), |b| {
            b.iter(|| {
                let mut pipeline = Pipeline::new(Config::default());
                for (number, (at, bytes)) in (1..).zip(&frames) {
                    let frame = Frame {
                        capture: 0,
                        iface: 0,
                        number,
                        at: Timestamp(*at),
                        wire_len: bytes.len() as u32,
                        link: LinkType::ETHERNET,
                        bytes,
                    };
                    pipeline.handle_frame(&frame, true, &mut |event| drop(black_box(event)));
                }
                pipeline.finish(&mut |event| drop(black_box(event)))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, frame, nats, track, pipeline);
criterion_main!(benches);
