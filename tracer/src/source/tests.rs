//! Files of every flavour and packing, damaged everywhere, merged, filtered.
use super::blocks::Order;
use super::testing::*;
use super::*;
use crate::wire::LinkType;
use proptest::prelude::*;
use std::io::{Cursor, Read, Write};
use std::path::Path;

#[test]
fn pcap_of_every_flavour() {
    for order in [Order::Little, Order::Big] {
        for (magic, unit) in [(0xa1b2_c3d4, 1_000), (0xa1b2_3c4d, 1), (0xa1b2_cd34, 1_000)] {
            // The upper bits of the link type tell of check sequences.
            let file = pcap(order, magic, 0x1400_0071, &[(7, 9, b"abc"), (u32::MAX, 0, b"")]);
            let mut source = open(file).unwrap();
            assert_eq!(source.next().unwrap().unwrap().link, LinkType::LINUX_SLL);
            assert_eq!(source.iface_name(0), None);
            let mut source = open(pcap(order, magic, 1, &[(7, 9, b"abc"), (u32::MAX, 0, b"")])).unwrap();
            let (seen, error) = drain(&mut source);
            assert!(error.is_none());
            let late = i64::from(u32::MAX) * 1_000_000_000;
            assert_eq!(seen, [(0, 7_000_000_000 + 9 * unit, 8, b"abc".to_vec()), (0, late, 5, Vec::new())]);
        }
    }
    let (seen, error) = drain(&mut open(small_pcap()).unwrap());
    assert!(error.is_none());
    assert_eq!(seen, small_frames(0));
}

#[test]
fn header_and_no_packet() {
    for file in [pcap(Order::Big, 0xa1b2_3c4d, 1, &[]), section(Order::Big)] {
        let mut source = open(file).unwrap();
        assert!(source.next().unwrap().is_none() && source.next().unwrap().is_none());
    }
}

#[test]
fn pcapng_of_every_block() {
    let mut source = open(small_pcapng()).unwrap();
    assert_eq!(source.lost_frames(), 0);
    let (seen, error) = drain(&mut source);
    assert!(error.is_none());
    assert_eq!(seen, small_frames(1));
    assert_eq!(
        (source.iface_name(0), source.iface_name(1), source.iface_name(2)),
        (Some("eth0"), None, None)
    );
    assert_eq!(source.lost_frames(), 7);
    assert_eq!(source.size(), Some(source.bytes_read()));
}

#[test]
fn pcapng_without_enhanced_packets() {
    let order = Order::Big;
    let mut old = Vec::new();
    old.extend([order.put16(1), order.put16(6)].concat());
    for word in [0, 5_000_000, 3, 60] {
        old.extend(order.put32(word));
    }
    old.extend(b"xyz\0");
    let simple = |len: u32, bytes: &[u8]| block(order, 3, &[&order.put32(len)[..], bytes].concat());
    let file = [
        section(order),
        interface(order, 1, 4, &[]),
        interface(order, 12, 0, &[(9, &[6])]),
        block(order, 2, &old),
        simple(3, b"abc\0"),
        simple(90, b"abcd"),
    ];
    let mut source = open(file.concat()).unwrap();
    let (seen, error) = drain(&mut source);
    assert!(error.is_none());
    let at = 5_000_000_000;
    assert_eq!(
        seen,
        [(1, at, 60, b"xyz".to_vec()), (0, at, 3, b"abc".to_vec()), (0, at, 90, b"abcd".to_vec())]
    );
    assert_eq!(source.lost_frames(), 6);
}

#[test]
fn pcapng_clocks() {
    let order = Order::Little;
    let offset = order.put64((-3i64).cast_unsigned());
    for (list, ticks, want) in [
        (&[][..], 1_500_000, 1_500_000_000),
        (&[(9, &[3][..])], 1_500, 1_500_000_000),
        (&[(9, &[0])], 2, 2_000_000_000),
        (&[(9, &[12])], 1_500_000_000_000, 1_500_000_000),
        (&[(9, &[0x8a])], 1_536, 1_500_000_000),
        (&[(9, &[0xa0])], 3 << 31, 1_500_000_000),
        (&[(14, &offset), (9, &[9])], 5_000_000_000, 2_000_000_000),
        (&[(9, &[127])], u64::MAX, 1),
        (&[(9, &[0xff])], u64::MAX, 0),
        (&[(9, &[0])], u64::MAX, i64::MAX),
    ] {
        let file = [section(order), interface(order, 1, 0, list), enhanced(order, 0, ticks, b"x")].concat();
        let (seen, error) = drain(&mut open(file).unwrap());
        assert!(error.is_none());
        assert_eq!(seen[0].1, want, "{list:?} {ticks}");
    }
}

#[test]
fn pcapng_sections() {
    let (little, big) = (Order::Little, Order::Big);
    let part = |order, name: &[u8]| {
        [
            section(order),
            interface(order, 1, 0, &[(2, name)]),
            enhanced(order, 0, 1, b"x"),
            statistics(order, 0, &[(5, 1)]),
            statistics(order, 0, &[(5, 2)]),
        ]
        .concat()
    };
    let file = [part(little, b"eth0"), part(big, b"eth0"), part(little, b"eth1")].concat();
    let mut source = open(file).unwrap();
    let (seen, error) = drain(&mut source);
    assert!(error.is_none());
    assert_eq!(seen.iter().map(|frame| frame.0).collect::<Vec<_>>(), [0, 0, 1]);
    assert_eq!((source.iface_name(0), source.iface_name(1)), (Some("eth0"), Some("eth1")));
    assert_eq!(source.lost_frames(), 6);
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn packed(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut small_blocks = lz4_flex::frame::FrameInfo::new();
    small_blocks.block_size = lz4_flex::frame::BlockSize::Max64KB;
    small_blocks.content_checksum = true;
    let mut lz4 = lz4_flex::frame::FrameEncoder::with_frame_info(small_blocks, Vec::new());
    lz4.write_all(bytes).unwrap();
    let mut xz = Vec::new();
    liblzma::read::XzEncoder::new(bytes, 1).read_to_end(&mut xz).unwrap();
    let zst = zstd::encode_all(bytes, 1).unwrap();
    vec![("gzip", gz(bytes)), ("zstd", zst), ("lz4", lz4.finish().unwrap()), ("xz", xz)]
}

#[test]
fn every_packing() {
    for (name, file) in packed(&small_pcap()) {
        let mut source = open(file.clone()).unwrap();
        let (seen, error) = drain(&mut source);
        assert!(error.is_none(), "{name}: {error:?}");
        assert_eq!(seen, small_frames(0));
        assert_eq!(source.bytes_read(), file.len() as u64, "{name}");
        // Packed in two pieces, one behind the other.
        let whole = small_pcap();
        let (a, b) = whole.split_at(45);
        let at = packed(a).iter().position(|(other, _)| *other == name).unwrap();
        let (seen, error) = drain(&mut open([&packed(a)[at].1[..], &packed(b)[at].1].concat()).unwrap());
        assert!(error.is_none() && seen == small_frames(0), "{name}: {error:?}");
    }
    for (name, file) in packed(&small_pcapng()) {
        assert_eq!(drain(&mut open(file).unwrap()).0, small_frames(1), "{name}");
    }
}

#[test]
fn a_packed_file_that_breaks_off() {
    // Large enough that unpackers give out something before the end, and hard to pack.
    let noise: Vec<u8> = (0..2_000_000u64)
        .map(|n| (((n * n) ^ (n >> 3)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 41) as u8)
        .collect();
    let records: Vec<_> = noise.chunks(1000).map(|chunk| (1, 1, chunk)).collect();
    let whole = pcap(Order::Little, 0xa1b2_c3d4, 1, &records);
    for (name, file) in packed(&whole) {
        for cut in [file.len() - 1, file.len() - 9, file.len() / 2] {
            let (seen, error) = drain(&mut open(file[..cut].to_vec()).unwrap());
            assert!(seen.len() > 500, "{name}: {}", seen.len());
            assert!(seen.iter().zip(&records).all(|(seen, record)| seen.3 == record.2));
            let Some(SourceError::Damaged { offset, compressed: true, .. }) = &error else {
                panic!("{name} cut at {cut} of {}: {error:?}", file.len());
            };
            assert_eq!(*offset, 24 + seen.len() as u64 * 1016);
            assert!(error.unwrap().to_string().contains("of its unpacked content: the compressed stream"));
        }
    }
}

#[test]
fn cut_at_every_byte() {
    for (file, ends, frames) in
        [(small_pcap(), vec![24, 43, 59, 145], small_frames(0)), (small_pcapng(), ng_ends(), small_frames(1))]
    {
        for cut in 1..file.len() {
            let complete = ends.iter().filter(|end| **end <= cut).count();
            match open(file[..cut].to_vec()) {
                Err(SourceError::Damaged { offset: 0, .. }) => assert!(complete == 0 && cut >= 4),
                Err(SourceError::NotACapture { .. }) => assert!(cut < 4),
                Err(error) => panic!("{error}"),
                Ok(mut source) => {
                    let (seen, error) = drain(&mut source);
                    let frames = &frames[..seen.len()];
                    assert_eq!(seen, frames);
                    match error {
                        None => assert!(ends.contains(&cut), "{cut}"),
                        Some(SourceError::Damaged { offset, .. }) => {
                            assert_eq!(offset as usize, ends[complete - 1], "{cut}");
                        }
                        Some(error) => panic!("{error}"),
                    }
                }
            }
        }
    }
}

/// Where the blocks of [`small_pcapng`] end.
fn ng_ends() -> Vec<usize> {
    let file = small_pcapng();
    let mut ends = Vec::new();
    let mut at = 0;
    while at < file.len() {
        at += Order::Little.u32(&file, at + 4) as usize;
        ends.push(at);
    }
    ends
}

#[test]
fn damage_is_told_with_its_place() {
    let mut file = small_pcap();
    file[24 + 8..24 + 12].copy_from_slice(&0x7fff_ffffu32.to_le_bytes());
    let (seen, error) = drain(&mut open(file).unwrap());
    assert!(seen.is_empty());
    let text = error.unwrap().to_string();
    assert!(text.starts_with("test.pcap is damaged at byte 24: a record claims 2147483647 bytes"), "{text}");
    let ends = ng_ends();
    for (at, frames) in [(ends[2] - 4, 1), (ends[6] - 4, 3)] {
        let mut file = small_pcapng();
        file[at] ^= 4;
        let (seen, error) = drain(&mut open(file).unwrap());
        let start = ends[ends.iter().position(|end| end - 4 == at).unwrap() - 1] as u64;
        assert!(matches!(error, Some(SourceError::Damaged { offset, .. }) if offset == start), "{error:?}");
        assert_eq!(seen.len(), frames - 1);
    }
    let order = Order::Little;
    let file = [section(order), enhanced(order, 0, 1, b"x")].concat();
    assert!(matches!(drain(&mut open(file).unwrap()).1, Some(SourceError::Damaged { offset: 28, .. })));
}

#[test]
fn what_is_no_capture() {
    for (bytes, want) in [
        (b"hello\nworld\n".to_vec(), "text"),
        (b" <!DOCTYPE html><html>".to_vec(), "an HTML page"),
        (b"PK\x03\x04rest".to_vec(), "a zip archive"),
        (vec![0, 1, 2, 3, 4], "something that starts with 00 01 02 03 04"),
        (gz(b"hello\n"), "gzip of text"),
        (gz(b""), "gzip of nothing at all"),
        (gz(&gz(&small_pcap())), "gzip of gzip once more"),
    ] {
        match open(bytes) {
            Err(SourceError::NotACapture { seems, .. }) => assert_eq!(seems, want),
            other => panic!("{want}: {other:?}"),
        }
    }
    assert_eq!(
        open(Vec::new()).unwrap_err().to_string().split(';').next(),
        Some("test.pcap is empty: 0 bytes")
    );
    assert!(matches!(open(gz(b"x")[..5].to_vec()), Err(SourceError::Damaged { offset: 0, .. })));
}

#[test]
fn files_that_cannot_be_opened() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(FileSource::open(dir.path(), 0), Err(SourceError::IsDirectory { .. })));
    assert!(matches!(FileSource::open(&dir.path().join("none"), 0), Err(SourceError::Missing { .. })));
    // The name says nothing.
    let path = dir.path().join("capture.gz");
    std::fs::write(&path, small_pcap()).unwrap();
    let mut source = FileSource::open(&path, 3).unwrap();
    assert_eq!(drain(&mut source).0, small_frames(0));
    assert_eq!((source.size(), source.path()), (Some(145), path.as_path()));
}

/// A pipe that gives out one octet at a time.
struct Trickle(Cursor<Vec<u8>>);

impl Read for Trickle {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let len = buf.len().min(1);
        self.0.read(&mut buf[..len])
    }
}

#[test]
fn pipes_are_read_as_they_come() {
    for file in [small_pcap(), gz(&small_pcap())] {
        let pipe = Box::new(Trickle(Cursor::new(file)));
        let mut source = FileSource::from_reader(pipe, Path::new("pipe"), 3, None).unwrap();
        assert_eq!(drain(&mut source).0, small_frames(0));
    }
    // The first frame is there before the second has been written.
    let (mut writer, reader) = std::os::unix::net::UnixStream::pair().unwrap();
    let file = small_pcap();
    writer.write_all(&file[..43]).unwrap();
    let mut source = FileSource::from_reader(Box::new(reader), Path::new("pipe"), 3, None).unwrap();
    assert_eq!(source.next().unwrap().unwrap().bytes, b"abc");
    writer.write_all(&file[43..]).unwrap();
    drop(writer);
    assert_eq!(source.next().unwrap().unwrap().number, 2);
}

#[test]
fn records_larger_than_a_block() {
    let big = vec![5; 600_000];
    let records = [(1, 0, &big[..]), (2, 0, b"small"), (3, 0, &big)];
    let mut file = pcap(Order::Little, 0xa1b2_c3d4, 1, &records);
    file[16..20].copy_from_slice(&1_000_000u32.to_le_bytes());
    let (seen, error) = drain(&mut open(file).unwrap());
    assert!(error.is_none() && seen.len() == 3);
    assert!(seen.iter().zip(&records).all(|(seen, record)| seen.3 == record.2));
}

fn merged(files: &[&[u32]]) -> MergedSource {
    let open = |(index, times): (usize, &&[u32])| {
        let records: Vec<_> = times.iter().map(|at| (*at, 0, &b"x"[..])).collect();
        let bytes = Cursor::new(pcap(Order::Little, 0xa1b2_c3d4, 1, &records));
        FileSource::from_reader(Box::new(bytes), Path::new("m"), index as u32, None).unwrap()
    };
    MergedSource::new(files.iter().enumerate().map(open).collect())
}

fn order(source: &mut MergedSource) -> Vec<(u32, u64, i64)> {
    let mut out = Vec::new();
    while let Some(frame) = source.next().unwrap() {
        out.push((frame.capture, frame.number, frame.at.0 / 1_000_000_000));
    }
    out
}

#[test]
fn files_are_merged_by_time() {
    let mut source = merged(&[&[1, 4, 4, 9], &[1, 2, 4], &[], &[3]]);
    assert_eq!(
        order(&mut source),
        [(0, 1, 1), (1, 1, 1), (1, 2, 2), (3, 1, 3), (0, 2, 4), (0, 3, 4), (1, 3, 4), (0, 4, 9)]
    );
    assert_eq!(source.sources().len(), 4);
    // Time goes back in the first: its order holds.
    let mut source = merged(&[&[5, 2, 8], &[3, 6]]);
    assert_eq!(order(&mut source), [(1, 1, 3), (0, 1, 5), (0, 2, 2), (1, 2, 6), (0, 3, 8)]);
    assert!(MergedSource::new(Vec::new()).next().unwrap().is_none());
}

#[test]
fn to_ask_for_what_is_in_memory_loses_no_file() {
    let mut source = merged(&[&[1, 4, 9], &[2, 5]]);
    let mut times = Vec::new();
    loop {
        assert!(source.run().is_none(), "frames of several files don't come from one block");
        let Some(frame) = source.next().unwrap() else { break };
        times.push(frame.at.0 / 1_000_000_000);
    }
    assert_eq!(times, [1, 2, 4, 5, 9]);
    let mut source = merged(&[&[1, 4, 9]]);
    assert!(source.advance().unwrap());
    let mut run = source.run().unwrap();
    let frame = run.next().unwrap();
    let (block, from) = run.place(&frame);
    assert_eq!((frame.number, block.get(from..=from)), (2, Some(&b"x"[..])));
    assert_eq!(order(&mut source), [(0, 3, 9)]);
}

#[test]
fn a_damaged_file_does_not_stop_the_others() {
    let good = || pcap(Order::Little, 0xa1b2_c3d4, 1, &[(1, 0, b"a"), (5, 0, b"b")]);
    let open = |bytes: Vec<u8>, capture| {
        FileSource::from_reader(Box::new(Cursor::new(bytes)), Path::new("m"), capture, None).unwrap()
    };
    for cut in [good().len() - 1, 30] {
        let bad = good()[..cut].to_vec();
        let mut source = MergedSource::new(vec![open(bad, 0), open(good(), 1)]);
        let (mut frames, mut errors) = (Vec::new(), 0);
        loop {
            match source.next() {
                Ok(Some(frame)) => frames.push((frame.capture, frame.number)),
                Ok(None) => break,
                Err(_) => errors += 1,
            }
        }
        assert_eq!(errors, 1);
        assert_eq!(frames.iter().filter(|frame| frame.0 == 1).count(), 2);
        assert_eq!(frames.iter().filter(|frame| frame.0 == 0).count(), usize::from(cut > 30));
    }
}

#[test]
fn filters() {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    let mut ip = Vec::new();
    etherparse::PacketBuilder::ipv4([10, 0, 0, 7], [10, 0, 0, 9], 61)
        .tcp(40000, 4222, 1, 512)
        .write(&mut ip, b"")
        .unwrap();
    frame.extend(&ip);
    let mut filter = Filter::new("host 10.0.0.9 and port 4222").unwrap();
    assert!(filter.matches(LinkType::ETHERNET, &frame));
    for raw in [LinkType::RAW, LinkType::RAW_12, LinkType::IPV4] {
        assert!(filter.matches(raw, &ip), "{raw:?}");
    }
    let mut sll = vec![0; 14];
    sll.extend([8, 0]);
    sll.extend(&ip);
    assert!(filter.matches(LinkType::LINUX_SLL, &sll));
    let mut other = Filter::new("host 10.0.0.8").unwrap();
    assert!(!other.matches(LinkType::ETHERNET, &frame) && !other.matches(LinkType::RAW, &ip));
    assert!(other.unusable().is_empty());
    let error = Filter::new("port nonsense-or-so").unwrap_err();
    assert!(
        error.to_string().starts_with("filter 'port nonsense-or-so' does not compile for Ethernet: "),
        "{error}"
    );
    let mut ether = Filter::new("ether src 02:00:00:00:00:02").unwrap();
    assert!(ether.matches(LinkType::ETHERNET, &frame));
    assert!(!ether.matches(LinkType::RAW, &ip));
    assert!(!ether.matches(LinkType::RAW, &ip) && ether.unusable().len() == 1);
    assert!(Filter::new("tcp\0").is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn damaged_files_never_panic(
        ng in any::<bool>(), pack in 0..5usize, cut in any::<prop::sample::Index>(),
        changes in proptest::collection::vec(any::<(prop::sample::Index, u8)>(), 0..5),
    ) {
        let plain = if ng { small_pcapng() } else { small_pcap() };
        let mut file = if pack == 4 { plain } else { packed(&plain).swap_remove(pack).1 };
        for (at, to) in changes {
            let at = at.index(file.len());
            file[at] = to;
        }
        file.truncate(cut.index(file.len() * 2));
        if let Ok(mut source) = open(file) {
            let (seen, _) = drain(&mut source);
            prop_assert!(seen.len() < 1000);
        }
    }

    #[test]
    fn any_bytes_never_panic(magic in 0..4usize, bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let starts = [vec![], vec![0xd4, 0xc3, 0xb2, 0xa1], section(Order::Little), section(Order::Big)];
        if let Ok(mut source) = open([&starts[magic][..], &bytes].concat()) {
            drain(&mut source);
        }
    }

    #[test]
    fn merging_keeps_every_frame(files in proptest::collection::vec(proptest::collection::vec(0..50u32, 0..20), 0..5)) {
        let mut sorted = files.clone();
        sorted.iter_mut().for_each(|times| times.sort_unstable());
        let slices: Vec<_> = sorted.iter().map(Vec::as_slice).collect();
        let out = order(&mut merged(&slices));
        prop_assert_eq!(out.len(), files.iter().map(Vec::len).sum::<usize>());
        prop_assert!(out.is_sorted_by_key(|(capture, number, at)| (*at, *capture, *number)));
    }
}
