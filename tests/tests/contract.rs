//! CONTRACT.md section 3, sentence by sentence, as lists of packets. Every expectation is written from the contract and from
//! what hosts do (reference/nats-wire.md), never from what natstrace says.

/// A test for each script, named by what it shows.
macro_rules! scenarios {
    ($($(#[$meta:meta])* $name:ident $script:literal)+) => {
        $($(#[$meta])* #[test] fn $name() { tests::script::check($script); })+
    };
}

mod scripts {
    mod at_risk;
    mod clients;
    mod dead;
    mod figures;
    mod filters;
    mod goodbyes;
    mod halves;
    mod handshakes;
    mod healthy;
    mod icmp;
    mod kernel;
    mod libraries;
    mod network;
    mod proxies;
    mod reasons;
    mod reconnects;
    mod servers;
    mod slow;
}
