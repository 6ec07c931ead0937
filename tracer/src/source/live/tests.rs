//! Real interfaces: frames are sent into a namespace of the lab's and read there. Without root they are skipped.
use super::*;
use crate::wire::{Decoder, Packet};
use ::tests::lab::Host;
use ::tests::lab::net::Net;
use ::tests::lab::tools::is_root;
use pcap::{Active, Capture};
use std::io::Write as _;

fn wanted(user: Option<&str>) -> Wanted {
    Wanted { ports: crate::base::PortSet::default(), user: user.map(str::to_owned), tunnels: false }
}

/// The lab's hosts, unless there is a reason against it, which is said past the harness.
fn hosts() -> Option<Net> {
    let skipped = |why: &str| {
        let _ = writeln!(std::io::stderr(), "skipped: {why}");
    };
    if !is_root() {
        skipped("live capture needs root");
        return None;
    }
    Net::build().inspect_err(|error| skipped(&format!("no hosts: {error:#}"))).ok()
}

/// Where the router can put frames on the wire to the server.
fn sender(net: &Net) -> Capture<Active> {
    net.enter(Host::Router, || Ok(Capture::from_device("s0")?.open()?)).unwrap()
}

/// Interfaces of the server, captured.
fn taps(net: &Net, names: &[&str], user: Option<&str>, ring: usize, keep: u32) -> Taps {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let wanted = wanted(user);
    net.enter(Host::Server, move || Ok(Taps::open(&names, wanted, ring, keep)?)).unwrap()
}

/// An Ethernet frame to nobody, behind those tags, to that TCP port, with so many octets of payload.
fn frame(tags: &[u16], port: u16, payload: usize) -> Vec<u8> {
    let mut out = [&[0xff; 6][..], &[2, 0, 0, 0, 0, 9]].concat();
    for tag in tags {
        out.extend(tag.to_be_bytes());
        out.extend([0, 5]);
    }
    out.extend([8, 0, 0x45, 0]);
    out.extend((40 + payload as u16).to_be_bytes());
    out.extend([0, 1, 0, 0, 64, 6, 0, 0, 10, 77, 1, 2, 10, 77, 2, 9]);
    out.extend(50_000u16.to_be_bytes());
    out.extend(port.to_be_bytes());
    out.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x10, 1, 0, 0, 0, 0, 0]);
    out.resize(out.len() + payload, b'x');
    out
}

/// What was read: interface, length on the wire, octets; all of it TCP to port 4222.
fn read(taps: &mut Taps, until: usize) -> Vec<(u32, u32, Vec<u8>)> {
    let (mut seen, mut decoder) = (Vec::new(), Decoder::new());
    let end = Instant::now() + Duration::from_secs(3);
    while seen.len() < until && Instant::now() < end {
        taps.read(Timestamp(i64::MAX), &mut |frame| {
            let packet = decoder.decode(frame.link, frame.at, frame.bytes, frame.wire_len);
            assert!(matches!(packet, Packet::Tcp(ref seg) if seg.dst.port == 4222), "{packet:?}");
            seen.push((frame.iface, frame.wire_len, frame.bytes.to_vec()));
        });
        std::thread::sleep(Duration::from_millis(20));
    }
    seen
}

#[test]
fn an_unknown_interface_is_named_with_those_that_exist() {
    let error = Taps::open(&["no-such0".into()], wanted(None), RING, WHOLE).err().unwrap();
    let text = error.to_string();
    assert!(matches!(error, OpenError::Missing { .. }), "{text}");
    assert!(text.contains("no-such0") && text.contains("lo") && text.ends_with("any"), "{text}");
}

#[test]
fn tagged_frames_pass_and_keep_their_tags() {
    let Some(net) = hosts() else { return };
    let mut ethernet = taps(&net, &["eth0"], Some("host 10.77.1.2"), RING, WHOLE);
    let mut cooked = taps(&net, &["any"], Some("host 10.77.1.2"), RING, WHOLE);
    let mut elsewhere = taps(&net, &["eth0"], Some("host 10.77.1.3"), RING, WHOLE);
    let mut wire = sender(&net);
    let all: [&[u16]; 4] = [&[], &[0x8100], &[0x88a8], &[0x88a8, 0x8100]];
    for tags in all {
        wire.sendpacket(frame(tags, 4222, 100)).unwrap();
        wire.sendpacket(frame(tags, 4223, 100)).unwrap();
    }
    let seen = read(&mut ethernet, 4);
    let want: Vec<_> = all.iter().map(|tags| frame(tags, 4222, 100)).collect();
    assert_eq!(seen.iter().map(|(_, _, bytes)| bytes.clone()).collect::<Vec<_>>(), want);
    // In a cooked frame a user's filter does not look behind a tag that the kernel left in; it takes off the first one.
    let seen = read(&mut cooked, 3);
    assert_eq!(seen.len(), 3, "{seen:?}");
    assert!(seen.iter().all(|(iface, ..)| *iface > 1), "{seen:?}");
    assert_eq!(read(&mut elsewhere, 0).len(), 0);
}

#[test]
fn headers_alone_are_kept_and_whole_packets_again() {
    let Some(net) = hosts() else { return };
    for name in ["eth0", "any"] {
        let mut taps = taps(&net, &[name], None, RING, HEADERS);
        let mut wire = sender(&net);
        for (keep, whole) in [(HEADERS, false), (WHOLE, true), (HEADERS, false)] {
            assert!(taps.keep(keep), "{name}");
            wire.sendpacket(frame(&[], 4222, 1000)).unwrap();
            let seen = read(&mut taps, 1);
            let [(_, wire_len, bytes)] = &seen[..] else { panic!("{name}: {seen:?}") };
            assert!(*wire_len >= 1054, "{name}: {wire_len}");
            assert_eq!(bytes.len() as u32 == *wire_len, whole, "{name}: {}", bytes.len());
            assert!(whole || bytes.len() <= HEADERS as usize, "{name}: {}", bytes.len());
        }
    }
}

#[test]
fn what_the_ring_has_no_room_for_is_counted() {
    let Some(net) = hosts() else { return };
    let mut taps = taps(&net, &["eth0"], None, RING_MIN, WHOLE);
    let mut wire = sender(&net);
    let sent = 6000;
    for _ in 0..sent {
        wire.sendpacket(frame(&[], 4222, 1000)).unwrap();
    }
    std::thread::sleep(Duration::from_millis(150));
    let lost = taps.lost();
    assert!(lost > 0);
    assert_eq!(taps.lost(), 0);
    let read = read(&mut taps, sent - lost as usize).len();
    assert_eq!(read + lost as usize, sent);
}

#[test]
fn an_interface_that_goes_comes_back() {
    let Some(net) = hosts() else { return };
    let mut taps = taps(&net, &["eth0", "lo"], None, RING, WHOLE);
    // `tend` looks at the interfaces of the calling thread's namespace.
    let (steps, told) =
        (["ip link set eth0 down", "ip link set eth0 up", "ip link del eth0"], &mut Vec::new());
    let again = "ip link add name eth0 type veth peer name x0; ip link set eth0 up; ip link set x0 up";
    for (step, word) in steps.into_iter().chain([again]).zip(["down", "back", "gone", "back"]) {
        net.sh(Host::Server, step).unwrap();
        let end = Instant::now() + Duration::from_secs(5);
        while told.last().is_none_or(|last: &String| !last.starts_with(&format!("eth0 is {word}")))
            && Instant::now() < end
        {
            std::thread::sleep(Duration::from_millis(50));
            taps = net
                .enter(Host::Server, move || {
                    let mut said = Vec::new();
                    taps.read(Timestamp(0), &mut |_| ());
                    taps.tend(&mut |text| said.push(text));
                    Ok((taps, said))
                })
                .map(|(taps, mut said)| {
                    told.append(&mut said);
                    taps
                })
                .unwrap();
        }
    }
    let words: Vec<&str> = told.iter().filter_map(|text| text.split_whitespace().nth(2)).collect();
    assert_eq!(words, ["down;", "back;", "gone;", "back;"], "{told:?}");
    let mut peer = net.enter(Host::Server, || Ok(Capture::from_device("x0")?.open()?)).unwrap();
    peer.sendpacket(frame(&[], 4222, 10)).unwrap();
    assert_eq!(read(&mut taps, 1).len(), 1);
}

#[test]
fn a_segment_too_long_for_its_length_field_is_read() {
    // BIG TCP over IPv4: the total length is 0, the frame tells it.
    let mut frame = frame(&[], 4222, 106);
    frame[16..18].copy_from_slice(&[0, 0]);
    let mut decoder = Decoder::new();
    let packet = decoder.decode(LinkType::ETHERNET, Timestamp(0), &frame, 100_054);
    assert!(matches!(packet, Packet::Tcp(seg) if seg.payload_len == 100_000), "{packet:?}");
}
