//! A filter program for a packet socket. libpcap compiles the expression; here its accept length is replaced, which is how
//! much of a frame the kernel keeps, so that one system call switches between whole packets and headers, without a gap.
use socket2::SockFilter;

/// Offsets from here on are no octets of the packet but what the kernel knows of it: `SKF_AD_OFF` of `linux/filter.h`.
const KNOWN_TO_KERNEL: u32 = (-0x1000i32).cast_unsigned();
/// `SKF_AD_PROTOCOL`, `SKF_AD_PKTTYPE`, `SKF_AD_IFINDEX`, `SKF_AD_HATYPE`.
const PROTOCOL: u32 = 0;
const PACKET_TYPE: u32 = 4;
const IFINDEX: u32 = 8;
const HARDWARE_TYPE: u32 = 28;

/// `BPF_RET | BPF_K`.
const RETURN: u16 = 0x06;

/// One instruction of classic BPF.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Instruction {
    code: u16,
    jt: u8,
    jf: u8,
    k: u32,
}

/// A header that libpcap puts before cooked frames and the kernel does not know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cooked {
    /// None.
    No,
    /// `LINKTYPE_LINUX_SLL`, 16 octets.
    V1,
    /// `LINKTYPE_LINUX_SLL2`, 20 octets.
    V2,
}

/// The instructions of a program that libpcap compiled; `None` where their form is not the expected one.
#[must_use]
pub fn instructions(program: &pcap::BpfProgram) -> Option<Vec<Instruction>> {
    // The crate shows them only as the text of nfbpf_compile: code, jump if true, jump if false, operand.
    let read = |text: String| {
        let mut words = text.split(' ');
        let instruction = Instruction {
            code: words.next()?.parse().ok()?,
            jt: words.next()?.parse().ok()?,
            jf: words.next()?.parse().ok()?,
            k: words.next()?.parse().ok()?,
        };
        words.next().is_none().then_some(instruction)
    };
    program.get_instructions().iter().map(|instruction| read(instruction.to_string())).collect()
}

/// The program as the kernel wants it: accepted frames are cut to `keep` octets (counted from where the kernel's packet
/// begins), and what looks into a cooked header asks the kernel instead. `None` where the kernel can't know the answer.
#[must_use]
pub fn for_socket(instructions: &[Instruction], cooked: Cooked, keep: u32) -> Option<Vec<SockFilter>> {
    let rewritten = instructions.iter().map(|&instruction| rewritten(instruction, cooked, keep));
    rewritten.map(|i| i.map(|i| SockFilter::new(i.code, i.jt, i.jf, i.k))).collect()
}

fn rewritten(instruction: Instruction, cooked: Cooked, keep: u32) -> Option<Instruction> {
    let k = match instruction.code {
        RETURN if instruction.k > 0 => keep,
        code if reads_packet(code) => kernel_offset(instruction.k, cooked)?,
        _ => instruction.k,
    };
    Some(Instruction { k, ..instruction })
}

/// `BPF_LD` or `BPF_LDX` in mode `BPF_ABS`, `BPF_IND` or `BPF_MSH`.
const fn reads_packet(code: u16) -> bool {
    matches!(code & 0x07, 0x00 | 0x01) && matches!(code & 0xe0, 0x20 | 0x40 | 0xa0)
}

/// Where the kernel finds what libpcap sees at `k` (as `fix_offset` of libpcap's pcap-linux.c).
const fn kernel_offset(k: u32, cooked: Cooked) -> Option<u32> {
    if k >= KNOWN_TO_KERNEL {
        return Some(k);
    }
    match (cooked, k) {
        (Cooked::No, _) => Some(k),
        (Cooked::V1, 16..) => Some(k - 16),
        (Cooked::V2, 20..) => Some(k - 20),
        (Cooked::V1, 0) | (Cooked::V2, 10) => Some(KNOWN_TO_KERNEL + PACKET_TYPE),
        (Cooked::V1, 14) | (Cooked::V2, 0) => Some(KNOWN_TO_KERNEL + PROTOCOL),
        (Cooked::V2, 4) => Some(KNOWN_TO_KERNEL + IFINDEX),
        (Cooked::V2, 8) => Some(KNOWN_TO_KERNEL + HARDWARE_TYPE),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::LinkType;

    fn compiled(link: LinkType, expression: &str) -> Vec<Instruction> {
        let dead = pcap::Capture::dead(pcap::Linktype(link.0.cast_signed())).unwrap();
        instructions(&dead.compile(expression, true).unwrap()).unwrap()
    }

    #[test]
    fn the_accept_length_alone_is_replaced() {
        let program = compiled(LinkType::ETHERNET, "tcp port 4222");
        let accepting = |i: &&Instruction| i.code == RETURN && i.k > 0;
        assert!(program.iter().filter(accepting).count() > 0);
        for &before in &program {
            let after = rewritten(before, Cooked::No, 160).unwrap();
            let want = if accepting(&&before) { Instruction { k: 160, ..before } } else { before };
            assert_eq!(after, want);
        }
        assert_eq!(for_socket(&program, Cooked::No, 160).map(|socket| socket.len()), Some(program.len()));
    }

    #[test]
    fn cooked_headers_are_asked_of_the_kernel() {
        for (cooked, offset, want) in [
            (Cooked::V2, 0, Some(0xffff_f000)),
            (Cooked::V2, 4, Some(0xffff_f008)),
            (Cooked::V2, 29, Some(9)),
            (Cooked::V2, 12, None),
            (Cooked::V1, 14, Some(0xffff_f000)),
            (Cooked::V1, 25, Some(9)),
            (Cooked::V1, 6, None),
            (Cooked::No, 12, Some(12)),
            (Cooked::V1, 0xffff_f02c, Some(0xffff_f02c)),
        ] {
            assert_eq!(kernel_offset(offset, cooked), want, "{cooked:?} {offset}");
        }
        let program = compiled(LinkType::LINUX_SLL2, "tcp port 4222");
        assert!(for_socket(&program, Cooked::V2, 160).is_some());
    }
}
