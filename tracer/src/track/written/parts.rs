//! What facts are made of. A field that is missing here doesn't compile.
use super::pack::{Packed, Packer, Unpacker};
use super::values::fill;
use crate::event::Mark;
use crate::event::{
    ErrorText, Facts, IcmpFact, MqttFacts, NatsFacts, PingFacts, ProxySign, Rtt, TcpFacts, TlsFacts,
};
use crate::nats::Info;
use std::sync::Arc;

/// Structures by their fields: a bit for each, then those that are not usual. `-`: fields that are kept otherwise, and left
/// empty here.
macro_rules! structures {
    ($($of:ident { $($field:ident),+ $(,)? } $(- { $($other:ident),+ })?)+) => {
        $(impl Packed for $of {
            fn usual() -> Self {
                Self { $($field: Packed::usual(),)+ $($($other: Default::default(),)+)? }
            }

            #[inline]
            fn is_usual(&self) -> bool {
                let Self { $($field,)+ $($($other: _,)+)? } = self;
                $($field.is_usual())&&+
            }

            fn pack(&self, to: &mut Packer) {
                const OCTETS: usize = [$(stringify!($field)),+].len().div_ceil(8);
                let Self { $($field,)+ $($($other: _,)+)? } = self;
                let (place, mut told, mut bit) = (to.begin(OCTETS), 0, 1_u64);
                $(
                    if !$field.is_usual() {
                        told |= bit;
                        $field.pack(to);
                    }
                    bit = bit.rotate_left(1);
                )+
                let _ = bit;
                to.bits::<OCTETS>(place, told);
            }

            fn unpack(from: &mut Unpacker<'_>) -> Self {
                let mut all = Self::usual();
                all.fill(from);
                all
            }

            fn fill(&mut self, from: &mut Unpacker<'_>) {
                const OCTETS: usize = [$(stringify!($field)),+].len().div_ceil(8);
                let Self { $($field,)+ $($($other,)+)? } = self;
                let (told, mut bit) = (from.bits::<OCTETS>(), 1_u64);
                $(
                    fill($field, told & bit != 0, from);
                    bit = bit.rotate_left(1);
                )+
                let _ = bit;
                $($(*$other = Default::default();)+)?
            }
        })+
    };
}

structures! {
    Facts {
        start, client, server, roles_certain, last, handshake, established, syn_to_synack, synack_to_ack, tcp, nats, rtt, icmp,
        vantage, capture_loss, input_ended, longest_idle, lived_through, quiet_lived_through, first_goodbye, ended, ended_by,
        ignored_resets,
    } - { first_frame, iface, host }
    TcpFacts {
        packets, bytes, retransmits, filled_holes, unacked_bytes, missing_bytes, first, last, last_data, last_progress, ttl, fin,
        fin_ttl, fin_answered, fin_unseen, fin_repeats, fin_behind_data, fin_into_hole, rst, unanswered, zero_window, keepalives,
        syns, largest_segment, mss, max_in_flight,
    }
    NatsFacts {
        protocol, client_info, infos, lame_duck, before_connect, connect_unreadable, accepted, errors, pubs, msgs, subs, unsubs,
        connect_urls, heaviest, pings, server_shutdown_status, drained, largest_pub, largest_msg, last_pub, longest_control_line,
        cut_mid_message, headers_used, headers_unannounced, malformed, foreign, unseen, first_byte, tls, ws_close, http_status,
        mqtt, forwarded_for, proxied, at_risk,
    } - { info, connect }
    PingFacts { sent, unanswered, first_unanswered, last, interval, slowest_pong, quickest_pong }
    Rtt { min_us, median_us, max_us }
    ErrorText { mark, from, text }
}

/// What is seldom told.
macro_rules! seldom {
    ($($of:ty: $is_usual:expr),+ $(,)?) => {
        $(impl Packed for $of {
            #[inline]
            fn usual() -> Self {
                Self::default()
            }

            #[inline]
            fn is_usual(&self) -> bool {
                $is_usual(self)
            }

            fn pack(&self, to: &mut Packer) {
                to.seldom(self);
            }

            fn unpack(from: &mut Unpacker<'_>) -> Self {
                from.seldom().unwrap_or_default()
            }
        })+
    };
}

seldom! {
    Vec<IcmpFact>: Vec::is_empty,
    Option<(Mark, Arc<Info>)>: Option::is_none,
    Option<Arc<[String]>>: Option::is_none,
    Option<Box<TlsFacts>>: Option::is_none,
    Option<Box<MqttFacts>>: Option::is_none,
    Option<(Mark, ProxySign)>: Option::is_none,
}
